import type { Call } from '../call.ts'
import type { DataSet } from '../dicom/dicom-json.ts'
import { toXml } from '../dicom/dicom-xml.ts'
import { GoogleError } from '../google-error.ts'
import type { EmulatorResponse } from '../response.ts'
import type { DicomStore, Stored } from './dicom-store.ts'
import { covers, parseAccept, parseMediaType } from './media-type.ts'
import { MultipartError, readParts } from './multipart-reader.ts'
import { receiveFile } from './stored-file.ts'

const dicom = 'application/dicom'

/**
 * STOW-RS (PS3.18, 10.5): every part goes to disk as it comes, and into the store once it is whole.
 */
export async function handleStow(
  store: DicomStore,
  call: Call,
  webRoot: string,
  study?: string,
): Promise<EmulatorResponse> {
  const asXml = wantsXml(call)
  const bodies = instanceBodies(call)
  const stored: Stored[] = []
  try {
    for await (const body of bodies) stored.push(await store.store(await receiveFile(body, store.folder), study))
  } catch (cause) {
    if (cause instanceof MultipartError) throw new GoogleError(400, `Invalid multipart body: ${cause.message}`)
    throw cause
  }
  if (stored.length === 0) throw new GoogleError(400, 'The request contains no DICOM instance.')
  const failed = stored.some(({ failure }) => failure !== undefined)
  const response = storeInstancesResponse(stored, webRoot)
  return {
    status: failed ? 409 : 200,
    headers: { 'content-type': asXml ? 'application/dicom+xml' : 'application/dicom+json' },
    body: asXml ? toXml(response) : JSON.stringify(response),
  }
}

function wantsXml(call: Call): boolean {
  for (const range of parseAccept(call.headers.accept)) {
    if (covers(range, 'application/dicom+json') || covers(range, 'application/json')) return false
    if (covers(range, 'application/dicom+xml')) return true
  }
  throw new GoogleError(406, `Unsupported Accept: ${call.headers.accept}; use application/dicom+json or dicom+xml.`)
}

/**
 * Checks the content type before the first byte is read, so that a wrong one is refused while the
 * client still sends.
 */
function instanceBodies(call: Call): AsyncIterable<AsyncIterable<Buffer>> {
  const { type, parameters } = parseMediaType(call.headers['content-type'])
  if (type === dicom) return single(call.body())
  const { boundary } = parameters
  if (type !== 'multipart/related' || (parameters.type ?? dicom) !== dicom) {
    throw new GoogleError(415, `Unsupported Content-Type: ${call.headers['content-type'] ?? 'none'}.`)
  }
  if (!boundary) throw new GoogleError(400, 'The Content-Type names no boundary.')
  return partBodies(call, boundary)
}

async function* single(body: AsyncIterable<Buffer>): AsyncGenerator<AsyncIterable<Buffer>> {
  yield body
}

async function* partBodies(call: Call, boundary: string): AsyncGenerator<AsyncIterable<Buffer>> {
  for await (const { headers, body } of readParts(call.body(), boundary)) {
    const { type } = parseMediaType(headers['content-type'])
    if (type !== dicom) throw new GoogleError(415, `Unsupported Content-Type of a part: ${type || 'none'}.`)
    yield body
  }
}

/** PS3.18, I.2: Store Instances Response Module. */
function storeInstancesResponse(stored: readonly Stored[], webRoot: string): DataSet {
  const response: DataSet = {}
  const good = stored.filter(({ failure }) => failure === undefined)
  const bad = stored.filter(({ failure }) => failure !== undefined)
  const studies = new Set(good.map(({ uids }) => uids.study))
  const [study] = studies
  if (studies.size === 1) response['00081190'] = { vr: 'UR', Value: [`${webRoot}/studies/${study}`] }
  if (bad.length > 0) response['00081198'] = { vr: 'SQ', Value: bad.map(failedItem) }
  if (good.length > 0) response['00081199'] = { vr: 'SQ', Value: good.map((item) => referencedItem(item, webRoot)) }
  return response
}

function failedItem({ uids, sopClass, failure = 0 }: Stored): DataSet {
  return {
    '00081150': uidElement(sopClass),
    '00081155': uidElement(uids.instance),
    '00081197': { vr: 'US', Value: [failure] },
  }
}

function referencedItem({ uids, sopClass }: Stored, webRoot: string): DataSet {
  const url = `${webRoot}/studies/${uids.study}/series/${uids.series}/instances/${uids.instance}`
  return {
    '00081150': uidElement(sopClass),
    '00081155': uidElement(uids.instance),
    '00081190': { vr: 'UR', Value: [url] },
  }
}

function uidElement(uid: string) {
  return uid === '' ? { vr: 'UI' } : { vr: 'UI', Value: [uid] }
}
