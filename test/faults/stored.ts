import { eventually } from '../helpers/eventually.ts'
import type { Case } from './cases.ts'
import { type Harness, resourceName } from './harness.ts'
import type { Line } from './log.ts'
import { type Study, stowBody } from './services.ts'

/**
 * What the store has in the end, as in the table.
 *
 * @param line what the log says of the instances, if anything
 */
export async function doneIn(
  { service, fault, client }: Pick<Case, 'service' | 'fault' | 'client'>,
  harness: Harness,
  store: string,
  study: Study,
  { instancesStored: counted, instancesFailed: failures }: Line = {},
): Promise<string> {
  if ('wire' in fault.cause || service === 'QIDO-RS' || service === 'WADO-RS') return ''
  // A request that was sent whole may have been carried out without a response.
  if (client === 'half-closes' || client === 'leaves during the response') return ''
  const all = study.instances.length
  const count = async () => (await storedIn(harness, store, study)).length
  if (service === 'STOW-RS') {
    const stored = await count()
    const words = stored === 0 ? '' : stored === all ? ', stored' : `, ${stored} stored`
    const miscounted = counted !== undefined && counted !== stored ? `, though the log says ${counted}` : ''
    return words + (failures ? `, ${failures} failed` : '') + miscounted
  }
  if (client === 'leaves' || client === 'resets its stream') return ''
  const isDeleted = async () => (await count()) === (service === 'DELETE of an instance' ? all - 1 : 0)
  // An operation that has begun ends after the response.
  if (fault.expected[service]?.endsWith('deleted')) await eventually('the deletion', isDeleted, 5_000).catch(() => {})
  return (await isDeleted()) ? ', deleted' : ''
}

/** Instances that are in the store byte for byte, asked past the proxy. */
export async function storedIn(
  { emulator, token }: Harness,
  store: string,
  { instances }: Study,
): Promise<readonly unknown[]> {
  const headers = { authorization: `Bearer ${token}`, accept: 'application/dicom; transfer-syntax=*' }
  const stored: unknown[] = []
  for (const { studyInstanceUid: study, seriesInstanceUid: series, sopInstanceUid: instance, bytes } of instances) {
    const path = `/studies/${study}/series/${series}/instances/${instance}`
    const response = await fetch(emulator.dicomWebUrl(resourceName(store)) + path, { headers })
    if (bytes.equals(Buffer.from(await response.arrayBuffer()))) stored.push(instance)
  }
  return stored
}

/** Stores past the proxy. */
export async function storeDirectly(
  { emulator, token }: Harness,
  name: string,
  files: readonly { readonly bytes: Buffer }[],
): Promise<void> {
  const { contentType, body } = stowBody(files)
  const headers = { authorization: `Bearer ${token}`, 'content-type': contentType }
  const response = await fetch(`${emulator.dicomWebUrl(name)}/studies`, { method: 'POST', headers, body })
  await response.arrayBuffer()
  if (response.status !== 200) throw new Error(`The emulator stores nothing: ${response.status}`)
}
