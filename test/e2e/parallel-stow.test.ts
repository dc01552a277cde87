import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import type { Emulator, Fault } from '../../src/emulator/emulator.ts'
import { type SyntheticInstance, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import type { LocalOrthanc } from '../../src/orthanc/local-orthanc.ts'
import { uidsOf } from '../../src/server/parallel-stow/instance-head.ts'
import { needsOrthanc } from '../helpers/orthanc.ts'
import { needs } from '../helpers/peer.ts'
import { everyService } from './every-service.ts'
import { fetchBack } from './exchange.ts'
import { type Proxied, serviceAccount, startProxied } from './proxied.ts'

const needsDcmtk = needs('dcmtk (Debian: apt install dcmtk)', isRunnable('dcmconv'))

/** Batches as small as they may be, so that there are many. */
const credential = (files: Parameters<typeof serviceAccount>[0]) => ({
  ...serviceAccount(files),
  ParallelStow: { Connections: 4, BatchBytes: 65536, MemoryBytes: 1048576 },
  OnDuplicate: 'verify',
})

t.test('a real Orthanc sends in batches', needsOrthanc(), async (t) => {
  const proxied = await startProxied(t, {
    accounts: { chunked: { credential } },
    servers: { whole: { account: 'chunked', entry: { ChunkedTransfers: '0' } } },
  })
  await everyService(t, { ...proxied, chunked: 'chunked', whole: 'whole', proxied: true })
  await t.test('many instances, with faults on the way', needsDcmtk, (t) => manyInstances(t, proxied))
})

/** Of each transfer syntax. */
const copies = 60
/** How often each fault comes, at some batch. */
const occurrences = 2
const faults: readonly Omit<Fault, 'target'>[] = [
  { status: 429 },
  { status: 503 },
  { status: 401 },
  { resetBefore: true },
  { resetDuring: 20_000 },
  { lateReset: true },
]

async function manyInstances(t: Test, { orthanc, emulator }: Proxied): Promise<void> {
  const instances = await instancesOfManySyntaxes(t)
  const id = await upload(orthanc, instances)
  const faultsBefore = addFaults(emulator)
  const from = emulator.log.length
  t.match(
    await orthanc.rest.stow('chunked', [id]),
    { state: 'Success', content: { InstancesCount: String(instances.length) } },
    'the job succeeds',
  )
  const requests = emulator.log.slice(from).filter(({ method }) => method === 'POST')
  t.ok(requests.length > 20, `${requests.length} requests`)
  t.ok(emulator.faults.list().length < faultsBefore / 2, 'most faults happened')
  emulator.faults.clear()

  emulator.behave({ duplicates: 'refused' })
  const again = await orthanc.rest.stow('chunked', [id])
  t.match(again, { state: 'Success' }, 'the same job succeeds once more, though Google refuses each instance')
  emulator.behave({ duplicates: 'accepted' })

  await orthanc.rest.delete('studies', id)
  await fetchBack(t, orthanc, 'chunked', instances)
}

async function upload({ rest }: LocalOrthanc, instances: readonly SyntheticInstance[]): Promise<string> {
  const studies = new Set<string>()
  // One by one: Orthanc 1.10 trips over folders that two uploads create at once.
  for (const { bytes } of instances) studies.add((await rest.upload(bytes)).ParentStudy)
  const [id] = studies
  if (studies.size !== 1 || id === undefined) throw new Error('Not one study')
  return id
}

function addFaults({ faults: knobs }: Emulator): number {
  for (let at = 0; at < occurrences; at += 1) {
    for (const fault of faults) {
      knobs.add({ target: 'STOW-RS', times: 1, skip: Math.floor(Math.random() * 8), ...fault })
    }
  }
  return knobs.list().length
}

const writers: readonly (readonly string[])[] = [
  ['dcmconv', '+te'],
  ['dcmconv', '+ti'],
  ['dcmconv', '+tb'],
  ['dcmcrle'],
  ['dcmcjpeg'],
]

/** One study; each instance with its own UID, in a transfer syntax as dcmtk writes it. */
async function instancesOfManySyntaxes(t: Test): Promise<readonly SyntheticInstance[]> {
  const folder = await mkdtemp(join(tmpdir(), 'syntaxes-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const templates = [...syntheticStudy({ seed: 77, instances: writers.length, rows: 64, columns: 64 })]
  const all = writers.map(async ([program = '', ...options], at) => {
    const template = templates[at]
    if (!template) throw new Error('No template')
    const [from, to] = [join(folder, `${at}.dcm`), join(folder, `${at}-written.dcm`)]
    await writeFile(from, template.bytes)
    await promisify(execFile)(program, [...options, from, to])
    return copiesOf(template, await readFile(to))
  })
  return (await Promise.all(all)).flat()
}

/** The UID is replaced by others of the same length, wherever it stands. */
function copiesOf(template: SyntheticInstance, bytes: Buffer): SyntheticInstance[] {
  const { sopInstance } = uidsOf([bytes])
  return Array.from({ length: copies }, (_, at) => {
    const sopInstanceUid = sopInstance.slice(0, -4) + String(1000 + at)
    const text = bytes.toString('latin1').replaceAll(sopInstance, sopInstanceUid)
    return { ...template, sopInstanceUid, bytes: Buffer.from(text, 'latin1') }
  })
}

function isRunnable(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
