import type { Test } from 'tap'
import type { Emulator } from '../../src/emulator/emulator.ts'
import type { LocalOrthanc } from '../../src/orthanc/local-orthanc.ts'
import { eventually } from '../helpers/eventually.ts'
import { fetchBack, type LocalStudy, sendAway } from './exchange.ts'

/**
 * Orthanc, and two of its DICOMweb servers, which lead to the same store: one is sent chunked
 * uploads, the other whole ones.
 */
export interface Path {
  readonly orthanc: LocalOrthanc
  readonly emulator: Emulator
  readonly chunked: string
  readonly whole: string
  /**
   * Whether the proxy is on the way: it waits until Google has deleted what it was asked to, and
   * tells Orthanc what 204 means.
   */
  readonly proxied: boolean
}

/** All that Orthanc's DICOMweb client can do with a store. It leaves the store empty. */
export async function everyService(t: Test, path: Path): Promise<void> {
  const { orthanc, chunked, whole } = path
  const study = await sendAway(t, orthanc, chunked, { seed: 1, series: 2, instances: 3 })
  const small = await sendAway(t, orthanc, whole, { seed: 2, instances: 1, frames: 3, patientName: 'Zoë^Synthetic' })
  await t.test('QIDO-RS', (t) => search(t, path, study))
  for (const level of ['study', 'series', 'instance'] as const) {
    await t.test(`WADO-RS of a ${level}`, (t) => fetchBack(t, orthanc, chunked, study.instances, level))
  }
  await t.test('WADO-RS of what was not sent chunked', (t) => fetchBack(t, orthanc, whole, small.instances))
  await t.test('DELETE', (t) => deleteAll(t, path, study))
  await orthanc.rest.deleteRemote(chunked, { study: small.studyInstanceUid })
}

async function search(t: Test, path: Path, study: LocalStudy): Promise<void> {
  const { chunked } = path
  const { rest } = path.orthanc
  const byName = await rest.qido(chunked, '/studies', { PatientName: 'Zoë^Synthetic' })
  t.match(byName, [{ '00100020': { Value: 'SYN-2' } }], 'letters beyond ASCII')
  t.match(await rest.qido(chunked, '/studies', { AccessionNumber: 'ACC-1' }), [
    { '0020000D': { Value: study.studyInstanceUid } },
  ])
  const nothing = rest.qido(chunked, '/studies', { AccessionNumber: 'NONE' })
  if (path.proxied) t.same(await nothing, [])
  else await t.rejects(nothing, { message: /Bad file format/ }, "what Orthanc makes of Google's 204")
  t.equal((await rest.qido(chunked, '/studies')).length, 2)
  t.equal((await rest.qido(chunked, `/studies/${study.studyInstanceUid}/series`)).length, 2)
  t.equal((await rest.qido(chunked, `/studies/${study.studyInstanceUid}/instances`)).length, 6)
}

async function deleteAll(t: Test, path: Path, study: LocalStudy): Promise<void> {
  const { rest } = path.orthanc
  const [first, , , other] = study.instances
  if (!first || !other) throw new Error('Not two series of three instances')
  const uids = { study: first.studyInstanceUid, series: first.seriesInstanceUid, instance: first.sopInstanceUid }
  const left = async () => {
    const found = rest.qido(path.chunked, '/instances', { StudyInstanceUID: uids.study })
    return (await (path.proxied ? found : found.catch(noneIfUnreadable))).length
  }

  await rest.deleteRemote(path.chunked, uids)
  t.equal(await left(), 5, 'an instance')
  await rest.deleteRemote(path.chunked, { study: uids.study, series: other.seriesInstanceUid })
  // Google deletes series and studies after the response, in a long-running operation.
  if (!path.proxied) await eventually('a series is deleted', async () => (await left()) === 2)
  t.equal(await left(), 2, 'a series')
  await rest.deleteRemote(path.chunked, { study: uids.study })
  if (!path.proxied) await eventually('a study is deleted', async () => (await left()) === 0)
  t.equal(await left(), 0, 'a study')
  const deletes = path.emulator.log
    .filter(({ method }) => method === 'DELETE')
    .map(({ target, status }) => [status, depth(target)])
  t.same(deletes, [
    [200, 'instances'],
    [200, 'series'],
    [200, 'studies'],
  ])
}

/** So Orthanc takes Google's 204. */
function noneIfUnreadable(error: Error & { details?: string }): [] {
  if (error.details === 'Bad file format') return []
  throw error
}

function depth(target: string): string | undefined {
  return target.split('/').at(-2)
}
