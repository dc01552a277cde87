import { hash } from 'node:crypto'
import type { Test } from 'tap'
import {
  type SyntheticInstance,
  type SyntheticStudyOptions,
  syntheticStudy,
} from '../../src/emulator/synthetic-study.ts'
import type { LocalOrthanc } from '../../src/orthanc/local-orthanc.ts'

/** A study in Orthanc's storage, and the files that it was made of. */
export interface LocalStudy {
  /** Orthanc's own identifier. */
  readonly id: string
  readonly studyInstanceUid: string
  readonly instances: readonly SyntheticInstance[]
}

/** Puts a synthetic study into Orthanc's storage. */
export async function uploadStudy({ rest }: LocalOrthanc, options: SyntheticStudyOptions): Promise<LocalStudy> {
  const instances = [...syntheticStudy(options)]
  const uploads = await Promise.all(instances.map(({ bytes }) => rest.upload(bytes)))
  const [upload, instance] = [uploads[0], instances[0]]
  if (!upload || !instance) throw new Error('A study without instances')
  return { id: upload.ParentStudy, studyInstanceUid: instance.studyInstanceUid, instances }
}

/** STOW-RS of a study that Orthanc has nothing of afterwards. */
export async function sendAway(
  t: Test,
  orthanc: LocalOrthanc,
  server: string,
  options: SyntheticStudyOptions,
): Promise<LocalStudy> {
  const study = await uploadStudy(orthanc, options)
  const job = await orthanc.rest.stow(server, [study.id])
  t.match(job, { state: 'Success', content: { InstancesCount: String(study.instances.length) } }, 'STOW-RS')
  await orthanc.rest.delete('studies', study.id)
  return study
}

/** WADO-RS of what was sent away: these files come back, byte for byte, and no others. */
export async function fetchBack(
  t: Test,
  orthanc: LocalOrthanc,
  server: string,
  expected: readonly SyntheticInstance[],
  level: 'study' | 'series' | 'instance' = 'study',
): Promise<void> {
  const resources = resourcesAt(level, expected)
  t.match(await orthanc.rest.retrieve(server, resources), { state: 'Success' }, `WADO-RS of ${level}`)
  await sameFiles(t, orthanc, expected)
  for (const { ID } of await orthanc.rest.lookup(expected[0]?.studyInstanceUid ?? ''))
    await orthanc.rest.delete('studies', ID)
}

function resourcesAt(level: 'study' | 'series' | 'instance', instances: readonly SyntheticInstance[]) {
  const resources = instances.map(
    ({ studyInstanceUid: study, seriesInstanceUid: series, sopInstanceUid: instance }) => ({
      study,
      ...(level === 'study' ? {} : { series }),
      ...(level === 'instance' ? { instance } : {}),
    }),
  )
  return [...new Map(resources.map((resource) => [JSON.stringify(resource), resource])).values()]
}

async function sameFiles(t: Test, { rest }: LocalOrthanc, expected: readonly SyntheticInstance[]): Promise<void> {
  const [study] = await rest.lookup(expected[0]?.studyInstanceUid ?? '')
  const stored = study ? await rest.instancesOf('studies', study.ID) : []
  const files = await Promise.all(stored.map((id) => rest.file(id)))
  t.same(sorted(files), sorted(expected.map(({ bytes }) => bytes)), 'byte for byte')
}

// As text of a digest's length, so that a difference does not print the pixels.
function sorted(files: readonly Buffer[]): string[] {
  return files.map((file) => hash('sha256', file)).sort()
}
