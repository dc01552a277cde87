import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { demoAccount, startServed } from '../helpers/served.ts'

// A request that was in flight when a reload gave its account another store had that store's
// address in the audit message, and no line of the audit trail said which store an account had
// been.
test('the audit trail names the store that a request went to', async (t) => {
  const File = join(t.testdir(), 'audit.jsonl')
  const proxy = { Audit: { File } }
  const served = await startServed(t, { proxy })
  const { emulator, url } = served
  const [, path] = new URL(url).pathname.split('/google')
  emulator.faults.add({ target: 'QIDO-RS', delay: 500, times: 1 })
  const before = fetch(`${url}studies`)
  await eventually('it is in flight', () => emulator.log.some(({ target }) => target.includes(`${path}studies`)))
  await served.reload({
    proxy,
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, DicomStore: 'other', ServiceAccountFile: serviceAccountFile },
    }),
  })
  t.equal((await before).status, 200)
  await (await fetch(`${url}studies`)).text()
  const records = async () =>
    (await readFile(File, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ audit }) => audit === 'request')
  await eventually('both are recorded', async () => (await records()).length === 2)
  const root = `${emulator.baseUrl}projects/demo/locations/europe-west4/datasets/imaging/dicomStores`
  t.same(
    (await records()).map(({ store }) => store),
    [`${root}/demo/dicomWeb/`, `${root}/other/dicomWeb/`],
  )
})
