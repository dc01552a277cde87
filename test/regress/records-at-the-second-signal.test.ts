import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { beginUpload, isThere, startServing } from '../cli/several-workers.ts'
import { eventually } from '../helpers/eventually.ts'

/** Its worker ended at once with the primary, and took along the records that the primary had not read yet. */
t.test(
  'what ended while several workers were ending is recorded, also if the primary is killed meanwhile',
  async (t) => {
    const file = join(t.testdir(), 'audit.jsonl')
    const { child, url, said, pids, status } = await startServing(t, { proxy: { Audit: { File: file } } })
    const uploads = [beginUpload(url), beginUpload(url)]
    await eventually('they are under way', async () => (await status()).accounts[0]?.underWay.count === 2)
    child.kill('SIGTERM')
    await eventually('it ends', () => said(/shutting down/).length === 1)
    await eventually('so do its workers', () =>
      fetch(url).then(
        () => false,
        () => true,
      ),
    )
    child.kill('SIGSTOP')
    for (const { finish } of uploads) finish()
    t.strictSame(await Promise.all(uploads.map(({ status }) => status)), [200, 200])
    child.kill('SIGKILL')
    await eventually('the workers have ended', () => [...pids(1), ...pids(2)].every((pid) => !isThere(pid)))
    const records = (await readFile(file, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    t.match(
      records.filter(({ audit }) => audit === 'request'),
      [
        { service: 'STOW-RS', outcome: 'succeeded' },
        { service: 'STOW-RS', outcome: 'succeeded' },
      ],
    )
  },
)
