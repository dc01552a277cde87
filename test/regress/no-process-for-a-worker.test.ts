import { spawnSync } from 'node:child_process'
import t from 'tap'
import { ask, startServing } from '../cli/several-workers.ts'
import { eventually } from '../helpers/eventually.ts'

/** Where no file could be opened any more, the primary ended itself over a worker that could not be started anew. */
t.test('a worker that cannot be started anew is tried again, and the log says why', async (t) => {
  const { child, url, pids, said, allServe } = await startServing(t)
  const limitFiles = (limit: string) => spawnSync('prlimit', ['--pid', String(child.pid), `--nofile=${limit}:`])
  if (limitFiles('8').status !== 0) {
    t.comment('no prlimit here: this needs Linux')
    return
  }
  process.kill(pids(1)[0] ?? 0, 'SIGKILL')
  await eventually('it was tried', () => said(/a worker process has ended/).length > 1 || child.exitCode !== null)
  t.equal(child.exitCode, null, 'the proxy goes on')
  limitFiles('4096')
  await eventually('it serves again', () => pids(1).length === 2, 20_000)
  t.equal(await ask(`${url}studies`), 200)
  const [, failed] = said(/a worker process has ended/)
  t.match(failed, { worker: 1, code: -24, reason: /^Can't start a worker process: .*EMFILE/ })
  await allServe(said(/a worker process has ended/).length)
})
