/**
 * Restarts by a successor (docs/adr/0039) in which something else went wrong. Seen:
 *
 * - A successor that was killed while its predecessor finished a long upload: nobody listened until
 *   the end of that upload, 14 s here and any time elsewhere, because systemd doesn't notice the
 *   end of a process that it hasn't started.
 * - A successor that was killed before its predecessor had left the addresses to it: they were left
 *   all the same, and nobody listened.
 * - A successor that was killed while it finished an upload itself, after it had handed over: its
 *   predecessor took that for the end of the service.
 * - A successor that was stopped while its predecessor had more to finish: that ended with exit code
 *   1, as after a crash.
 * - A successor of an earlier version, which doesn't say that it has been succeeded: the same as if
 *   it had been killed.
 * - A changed host of Listen with the same port: "another program listens there", which was the
 *   predecessor.
 * - A working directory that was replaced: the successor read the files of the old one.
 * - A program whose folder was removed while it ran: it ended with "Unexpected failure" and exit
 *   code 1, because it loaded a file at its end.
 */

import { once } from 'node:events'
import { cp, rename, rm, symlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { Successor } from '../../src/cli/serve/successor.ts'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { eventually } from '../helpers/eventually.ts'
import { exited, isRunning, noteNotifications, search, skip, startProxy, startUpload } from '../helpers/restarts.ts'

const failure = 'restart failed; this process goes on serving'
const project = fileURLToPath(new URL('../..', import.meta.url))

const drains = 'a successor accepts connections; finishing those that are open'
const lost = 'the successor has ended: nobody accepts connections'

t.test('a successor that is killed, under systemd', { skip }, async (t) => {
  const systemd = await noteNotifications(t)
  const { child, of, url, restart } = await startProxy(t, systemd.env)
  await t.test('before the addresses are left to it: the proxy serves on', async (t) => {
    await systemd.killNext()
    child.kill('SIGUSR2')
    await eventually('it is said', () => of(failure).length === 1)
    t.match(of(failure)[0]?.reason, /It ended by SIGKILL/)
    t.equal((await search(url)).status, 200)
    t.equal((await systemd.notes()).at(-1), `MAINPID=${child.pid}`, 'systemd follows this process again')
  })

  await t.test('while its predecessor finishes an upload: systemd is to start the service again', async (t) => {
    const upload = startUpload(url)
    upload.send(0.5)
    const successor = await restart()
    await eventually('the upload is what is left', () => of(drains).length > 0)
    process.kill(successor, 'SIGKILL')
    await eventually('systemd is told', async () => (await systemd.notes()).length === 5)
    t.same((await systemd.notes()).slice(3), [`MAINPID=${successor}`, `MAINPID=${child.pid}`])
    t.equal((await upload.end()).status, 200, 'within the grace')
    t.equal(await exited(child), 1)
    t.match(of(lost), [{ level: 'error', reason: /It ended by SIGKILL/ }])
  })
})

t.test(
  'a successor that is stopped, without a service manager: no error, and an upload has all the time',
  { skip },
  async (t) => {
    const { child, of, url, restart } = await startProxy(t)
    const upload = startUpload(url)
    upload.send(0.5)
    const successor = await restart()
    await eventually('the upload is what is left', () => of(drains).length > 0)
    process.kill(successor, 'SIGTERM')
    await eventually('it is said', () => of(lost).length > 0)
    t.match(of(lost), [{ level: 'info', reason: /exit code 143/ }])
    t.equal((await upload.end()).status, 200)
    t.equal(await exited(child), 143)
    t.equal(of('stopped').length, 2)
    t.equal(of('shutting down; requests in flight may finish, new ones are rejected').length, 1, 'of the successor')
  },
)

t.test('a successor that is stopped, under systemd: its predecessor ends as stopped, too', { skip }, async (t) => {
  const systemd = await noteNotifications(t)
  const { child, of, url, restart } = await startProxy(t, systemd.env)
  const upload = startUpload(url)
  upload.send(0.5)
  const successor = await restart()
  await eventually('the upload is what is left', () => of(drains).length > 0)
  process.kill(successor, 'SIGTERM')
  await eventually('systemd is told', async () => (await systemd.notes()).at(-1) === `MAINPID=${child.pid}`)
  t.equal((await upload.end()).status, 200)
  t.equal(await exited(child), 143)
})

t.test('a successor of an earlier version that ends because it has been succeeded', { skip }, async (t) => {
  const script = join(
    t.testdir({ 'earlier.cjs': "process.send({ kind: 'serving' }, () => process.exit(0))" }),
    'earlier.cjs',
  )
  const { argv0, execPath, env } = process
  const started = { argv0, execPath, execArgv: [], argv: [execPath, script], env, cwd: () => process.cwd() }
  const successor = new Successor(started as unknown as NodeJS.Process, { data: null, admin: null })
  await successor.serve()
  await eventually('it has ended', () => !isRunning(successor.pid))
  // Its end has been noticed, too.
  await successor.stop()
  t.equal(successor.end, null)
})

/** The program, its successor and that one's, and uploads that the first and the second finish. */
async function startThree(t: Test, env: Record<string, string> = {}) {
  const started = await startProxy(t, env)
  const { of, url, restart } = started
  const startHalf = async () => {
    const upload = startUpload(url)
    upload.send(0.5)
    // Whoever serves this has accepted the upload before.
    await search(url)
    return upload
  }
  const first = await startHalf()
  const second = await restart()
  await eventually('the first one finishes its upload', () => of(drains).length === 1)
  const other = await startHalf()
  const third = await restart(second)
  await eventually('so does the second', () => of(drains).length === 2)
  return { ...started, uploads: [first, other] as const, second, third }
}

t.test('three processes, of which the second is killed', { skip }, async (t) => {
  const { child, of, url, uploads, second, third } = await startThree(t)
  process.kill(second, 'SIGKILL')
  await t.rejects(uploads[1].response)
  t.equal((await uploads[0].end()).status, 200)
  t.equal(await exited(child), 0)
  t.same(of(lost), [], 'the third one accepts connections')
  t.equal((await search(url)).status, 200)
  process.kill(third, 'SIGTERM')
})

t.test('three processes, of which the third is killed', { skip }, async (t) => {
  const systemd = await noteNotifications(t)
  const { child, of, uploads, third } = await startThree(t, systemd.env)
  process.kill(third, 'SIGKILL')
  await eventually('the second one says so', () => of(lost).length === 1)
  t.equal((await uploads[1].end()).status, 200)
  await eventually('and then the first one', () => of(lost).length === 2)
  t.equal((await systemd.notes()).at(-1), `MAINPID=${child.pid}`, 'which systemd has started')
  t.equal((await uploads[0].end()).status, 200)
  t.equal(await exited(child), 1)
})

t.test('addresses that are taken', { skip }, async (t) => {
  const port = await freePort()
  const { child, of, url, configure, successors } = await startProxy(
    t,
    {},
    { settings: { Listen: `127.0.0.1:${port}` } },
  )
  await t.test('by the predecessor: another host of the same port', async (t) => {
    await configure({}, { Listen: `0.0.0.0:${port}`, AllowAnonymous: true })
    child.kill('SIGUSR2')
    await eventually('it is refused', () => of(failure).length === 1)
    const reason = /^Can't listen on 0\.0\.0\.0:\d+ while the predecessor listens on 127\.0\.0\.1:\d+: stop the proxy/
    t.match(of(failure)[0]?.reason, reason)
    t.equal((await search(url)).status, 200)
  })

  await t.test('that of the admin listener, by another program: no request is lost', async (t) => {
    const other = createServer().listen(0, '127.0.0.1')
    t.teardown(() => other.close())
    await once(other, 'listening')
    await configure({}, { AdminListen: `127.0.0.1:${(other.address() as { port: number }).port}` })
    let goesOn = true
    const statuses = new Set<string | number>()
    const searching = Array.from({ length: 8 }, async () => {
      while (goesOn) statuses.add((await search(url)).status)
    })
    child.kill('SIGUSR2')
    await eventually('it is refused', () => of(failure).length === 2)
    goesOn = false
    await Promise.all(searching)
    t.match(of(failure)[1]?.reason, /another program listens there/)
    t.same([...statuses], [200])
    await configure()
  })

  await t.test('by a predecessor that is killed before its successor has connected to it', async (t) => {
    child.kill('SIGUSR2')
    await eventually('the successor has begun', () => successors().length === 3)
    child.kill('SIGKILL')
    await eventually('it serves', () => of('took over; the predecessor finishes its open connections').length === 1)
    await eventually('it knows that there is no other', () => of('the predecessor has ended').length === 1)
    t.equal((await search(url)).status, 200)
  })
})

t.test('folders that are replaced or removed', { skip }, async (t) => {
  const program = await copyProgram(t)
  const started = await startProxy(t, {}, { program: join(program, 'src/main.ts'), isBesideConfiguration: true })
  const { folder, child, of, output, url, restart } = started
  await t.test('the working directory, by another of its name', async (t) => {
    await rename(folder, `${folder}-old`)
    child.kill('SIGUSR2')
    await eventually('it is refused', () => of(failure).length === 1)
    t.match(of(failure)[0]?.reason, `The working directory ${folder} does not exist any more`)
    await cp(`${folder}-old`, folder, { recursive: true })
    await rm(`${folder}-old`, { recursive: true })
  })

  await t.test('that of the program, while it runs', async (t) => {
    const upload = startUpload(url)
    upload.send(0.5)
    const successor = await restart()
    await rm(program, { recursive: true })
    t.equal((await upload.end()).status, 200)
    t.equal(await exited(child), 0)
    t.equal(of('stopped; the successor serves').length, 1)
    process.kill(successor, 'SIGTERM')
    await eventually('it ends', () => of('stopped').length === 1 && !isRunning(successor))
    t.notMatch(output(), 'Unexpected failure')
  })
})

async function copyProgram(t: Test): Promise<string> {
  const folder = `${t.testdirName}-program`
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const part of ['src', 'config', 'package.json'])
    await cp(join(project, part), join(folder, part), { recursive: true })
  await symlink(join(project, 'node_modules'), join(folder, 'node_modules'))
  return folder
}
