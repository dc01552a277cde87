import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { startServed, stowOf } from '../helpers/served.ts'

const study = [...syntheticStudy({ instances: 1, seed: 1 })]
const path = `studies/${study[0]?.studyInstanceUid}`

async function startStored(t: Test, proxy: object) {
  const folder = await mkdtemp(join(tmpdir(), 'claims-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'audit.jsonl')
  const served = await startServed(t, { proxy: { Audit: { File: file }, ...proxy } })
  t.equal((await fetch(`${served.url}studies`, stowOf(study))).status, 200)
  const deletions = async () =>
    (await readFile(file, 'utf8'))
      .split('\n')
      .filter((line) => line.includes('"DELETE"'))
      .map((line) => JSON.parse(line))
  const outcomeOf = async (what: string) => {
    const { length } = await deletions()
    const { status } = await fetch(served.url + what, { method: 'DELETE' })
    await eventually('it is recorded', async () => (await deletions()).length > length)
    return { status, outcome: (await deletions()).at(-1)?.outcome }
  }
  return { ...served, outcomeOf }
}

t.test('a deletion whose end was not seen is pending', async (t) => {
  const { emulator, outcomeOf } = await startStored(t, { DeletionWait: 1 })
  emulator.setOperationDuration(Number.POSITIVE_INFINITY)
  t.same(await outcomeOf(path), { status: 202, outcome: 'pending' })
  await emulator.finishOperations()
})

t.test('so is one that is not waited for', async (t) => {
  const { outcomeOf } = await startStored(t, { DeletionWait: 0 })
  t.same(await outcomeOf(path), { status: 200, outcome: 'pending' })
})

t.test('one that was seen to end, and that of an instance, have succeeded', async (t) => {
  const { url, outcomeOf } = await startStored(t, {})
  t.same(await outcomeOf(path), { status: 200, outcome: 'succeeded' })
  t.equal((await fetch(`${url}studies`, stowOf(study))).status, 200)
  const instance = `${path}/series/${study[0]?.seriesInstanceUid}/instances/${study[0]?.sopInstanceUid}`
  t.same(await outcomeOf(instance), { status: 200, outcome: 'succeeded' })
})
