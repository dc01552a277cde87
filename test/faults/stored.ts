import { instances, stowBody } from './services.ts'
import { resourceName, type Stage } from './stage.ts'

/** Instances that are in the store byte for byte, asked past the proxy. */
export async function storedIn({ emulator, token }: Stage, store: string): Promise<readonly unknown[]> {
  const headers = { authorization: `Bearer ${token}`, accept: 'application/dicom; transfer-syntax=*' }
  const stored: unknown[] = []
  for (const { studyInstanceUid: study, seriesInstanceUid: series, sopInstanceUid: instance, bytes } of instances) {
    const path = `/studies/${study}/series/${series}/instances/${instance}`
    const answer = await fetch(emulator.dicomWebUrl(resourceName(store)) + path, { headers })
    if (bytes.equals(Buffer.from(await answer.arrayBuffer()))) stored.push(instance)
  }
  return stored
}

/** Stores past the proxy. */
export async function storeDirectly(
  { emulator, token }: Stage,
  name: string,
  files: readonly { readonly bytes: Buffer }[],
): Promise<void> {
  const { contentType, body } = stowBody(files)
  const headers = { authorization: `Bearer ${token}`, 'content-type': contentType }
  const answer = await fetch(`${emulator.dicomWebUrl(name)}/studies`, { method: 'POST', headers, body })
  await answer.arrayBuffer()
  if (answer.status !== 200) throw new Error(`The emulator stores nothing: ${answer.status}`)
}
