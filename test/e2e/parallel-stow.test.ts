import { randomInt } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Random } from '../../bench/soak/random.ts'
import { demoStore, type Emulator, type Fault } from '../../src/emulator/emulator.ts'
import { multipart, type SyntheticInstance } from '../../src/emulator/synthetic-study.ts'
import type { LocalOrthanc } from '../../src/orthanc/local-orthanc.ts'
import { needsOrthanc } from '../helpers/orthanc.ts'
import { fetchBack, sendAway } from './exchange.ts'
import { instancesOfManySyntaxes, needsDcmtk } from './many-syntaxes.ts'
import { type Proxied, serviceAccount, startProxied } from './proxied.ts'

/** Batches as small as they may be, so that there are many. */
const credential = (files: Parameters<typeof serviceAccount>[0]) => ({
  ...serviceAccount(files),
  ParallelStow: { Connections: 4, BatchBytes: 65536, MemoryBytes: 1048576 },
  OnDuplicate: 'verify',
})

t.test('a real Orthanc sends in batches', needsOrthanc(), async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'parallel-stow-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const proxied = await startProxied(t, {
    accounts: { chunked: { credential } },
    emulator: { folder },
    servers: { whole: { account: 'chunked', entry: { ChunkedTransfers: '0' } } },
  })
  const small = await sendAway(t, proxied.orthanc, 'whole', { seed: 2, instances: 1, frames: 3 })
  await fetchBack(t, proxied.orthanc, 'whole', small.instances)
  await proxied.orthanc.rest.deleteRemote('whole', { study: small.studyInstanceUid })
  await t.test('many instances, with faults on the way', needsDcmtk, (t) => manyInstances(t, proxied, folder))
})

/** With `SEED` in the environment, a run's faults come again. */
const seed = Number(process.env.SEED ?? randomInt(1_000_000))
/** In eight transfer syntaxes. */
const instanceCount = 1_000
/** Each comes twice, at some batch. */
const faults: readonly Fault[] = [
  { status: 429 },
  { status: 503 },
  { status: 401 },
  { resetBefore: true },
  { resetDuring: 20_000 },
  { lateReset: true },
].flatMap((fault) => [
  { target: 'STOW-RS', ...fault },
  { target: 'STOW-RS', ...fault },
])
/** At a search or a comparison after a batch without a response: few, so that each meets one. */
const faultsAfterwards: readonly Fault[] = [
  { target: 'QIDO-RS', status: 401 },
  { target: 'QIDO-RS', resetBefore: true },
  { target: 'WADO-RS', status: 401 },
  { target: 'WADO-RS', status: 429 },
]

async function manyInstances(t: Test, proxied: Proxied, folder: string): Promise<void> {
  const { orthanc, emulator, lines } = proxied
  t.comment(`SEED=${seed}`)
  const instances = await instancesOfManySyntaxes(t, instanceCount)
  const id = await putInto(orthanc, instances)
  const job = async () => {
    const from = emulator.log.length
    const ended = await orthanc.rest.stow('chunked', [id])
    t.match(ended, { state: 'Success', content: { InstancesCount: String(instances.length) } }, 'the job succeeds')
    const posts = emulator.log.slice(from).filter(({ method }) => method === 'POST')
    const sum = (what: 'stored' | 'refused') => posts.reduce((sum, { instances }) => sum + (instances?.[what] ?? 0), 0)
    return { posts: posts.length, stored: sum('stored'), refused: sum('refused') }
  }
  const told = () => lines.findLast(({ msg, service }) => msg === 'request' && service === 'STOW-RS')
  // So that none can be stored over another of the same name.
  emulator.behave({ duplicates: 'refused' })

  const faultsBefore = addFaults(emulator)
  const first = await job()
  t.ok(first.posts > 50, `${first.posts} requests`)
  t.match(first, { stored: instances.length, refused: 0 }, 'each is stored once, and no stored one is sent again')
  t.equal(emulator.faults.list().length, 0, `all of the ${faultsBefore} faults happened`)
  t.match(told(), { status: 200, instancesStored: instances.length, instancesFailed: 0 })
  const files = await storedFiles(folder)
  t.same(files.map(({ name }) => name).sort(), instances.map(fileName).sort(), 'nothing is missing, nothing else there')
  t.same(await differing(folder, instances), [], 'byte for byte')

  t.match(await job(), { stored: 0, refused: instances.length }, 'the same once more, though Google refuses each')
  t.match(told(), { status: 200, instancesStored: instances.length, instancesIdentical: instances.length })
  t.same(await storedFiles(folder), files, 'no file was touched')
}

/** Orthanc's identifier of the study. */
async function putInto({ url, rest }: LocalOrthanc, instances: readonly SyntheticInstance[]): Promise<string> {
  // In one request: one for each takes several times as long.
  const { contentType, chunks } = multipart([...instances], 'instances')
  const response = await fetch(new URL('dicom-web/studies', url), {
    method: 'POST',
    headers: { 'content-type': contentType, accept: 'application/dicom+json' },
    body: Buffer.concat([...chunks]),
  })
  if (!response.ok) throw new Error(`Orthanc did not take them: ${response.status} ${await response.text()}`)
  const [study] = await rest.lookup(instances[0]?.studyInstanceUid ?? '')
  const stored = study ? await rest.instancesOf('studies', study.ID) : []
  if (!study || stored.length !== instances.length) throw new Error(`Orthanc has ${stored.length} instances`)
  return study.ID
}

function addFaults({ faults: knobs }: Emulator): number {
  const random = new Random(seed)
  for (const fault of faults) knobs.add({ times: 1, skip: random.int(0, 60), ...fault })
  for (const fault of faultsAfterwards) knobs.add({ times: 1, skip: random.int(0, 2), ...fault })
  return knobs.list().length
}

const folderOf = (folder: string) => join(folder, ...demoStore.split('/'))

function fileName({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }: SyntheticInstance): string {
  return `${studyInstanceUid}_${seriesInstanceUid}_${sopInstanceUid}.dcm`
}

/** What the emulator has. A file that is written again is another one. */
async function storedFiles(folder: string): Promise<readonly { name: string; node: number }[]> {
  const names = (await readdir(folderOf(folder))).filter((name) => name.endsWith('.dcm')).sort()
  return Promise.all(names.map(async (name) => ({ name, node: (await stat(join(folderOf(folder), name))).ino })))
}

async function differing(folder: string, instances: readonly SyntheticInstance[]): Promise<readonly string[]> {
  const names: string[] = []
  for (const instance of instances) {
    const name = fileName(instance)
    if (!instance.bytes.equals(await readFile(join(folderOf(folder), name)))) names.push(name)
  }
  return names
}
