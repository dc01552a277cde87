import type { Behavior } from '../behavior.ts'
import type { Call } from '../call.ts'
import type { DataSet } from '../dicom/dicom-json.ts'
import { toXml } from '../dicom/dicom-xml.ts'
import { GoogleError } from '../google-error.ts'
import type { EmulatorResponse } from '../response.ts'
import { type DicomStore, instanceUrl, type Stored } from './dicom-store.ts'
import { covers, parseAccept, parseMediaType } from './media-type.ts'
import { MultipartError, type Part, readParts } from './multipart-reader.ts'
import { receiveFile } from './stored-file.ts'
import { dicomJson, filesFromJson } from './stow-json.ts'

const dicom = 'application/dicom'
const dicomXml = 'application/dicom+xml'
type ResponseForm = typeof dicomJson | typeof dicomXml

/**
 * "Processing failure" (PS3.18, Table I.2-2) is Google's reason for every cause: FailureDetail says
 * it in words.
 */
const processingFailure = 0x0110

/** Where instances are stored. */
export interface Storage {
  readonly store: DicomStore
  /** URL of the store's `dicomWeb`. */
  readonly webRoot: string
  /** The study that the URL names: no others are stored. */
  readonly study: string | undefined
  readonly behavior: Behavior
}

/** RFC 2046, 5.1.1. */
const maxBoundaryLength = 70

/**
 * STOW-RS (PS3.18, 10.5): every part goes to disk as it comes, and into the store once it is whole.
 */
export async function handleStow({ store, webRoot, study, behavior }: Storage, call: Call): Promise<EmulatorResponse> {
  const form = responseForm(call)
  const bodies = instanceBodies(call, store.folder, behavior)
  const stored: Stored[] = []
  const counts = { stored: 0, refused: 0 }
  call.record.instances = counts
  const { unnamed } = call.omitted
  let { dropped } = call.omitted
  try {
    for await (const body of bodies) {
      // The reader skips what is not read.
      if (dropped-- > 0) continue
      const storing = { duplicates: behavior.duplicates, ...(study !== undefined && { study }) }
      const outcome = await store.store(await receiveFile(body, store.folder), storing)
      stored.push(outcome)
      counts[outcome.failure === undefined ? 'stored' : 'refused'] += 1
    }
  } catch (cause) {
    if (cause instanceof MultipartError) throw new GoogleError(400, `invalid multipart body: ${cause.message}`)
    throw cause
  }
  if (stored.length === 0 && call.omitted.dropped === 0)
    throw new GoogleError(400, 'invalid request: no DICOM instance in the body')
  const named = stored.slice(unnamed)
  const failed = named.some(({ failure }) => failure !== undefined)
  const response = storeInstancesResponse(named, { webRoot, study, form })
  return {
    status: failed ? 409 : 200,
    headers: { 'content-type': form },
    body: form === dicomXml ? toXml(response) : JSON.stringify(response),
  }
}

/**
 * XML where both would do: it is the default (Google's conformance statement, "Store transaction").
 */
function responseForm(call: Call): ResponseForm {
  for (const range of parseAccept(call.headers.accept)) {
    if (covers(range, dicomXml)) return dicomXml
    if (covers(range, dicomJson)) return dicomJson
  }
  throw new GoogleError(406, `unsupported Accept header: ${call.headers.accept}`)
}

/**
 * Checks the content type before the first byte is read, so that a wrong one is refused while the
 * client still sends.
 */
function instanceBodies(
  call: Call,
  folder: string,
  { longBoundaries }: Behavior,
): AsyncIterable<AsyncIterable<Buffer>> {
  const { type, parameters } = parseMediaType(call.headers['content-type'])
  if (type === dicom) return single(call.body())
  const { boundary } = parameters
  const form = (parameters.type ?? dicom).toLowerCase()
  if (type !== 'multipart/related' || (form !== dicom && form !== dicomJson)) {
    throw new GoogleError(400, `unsupported Content-Type header: ${call.headers['content-type'] ?? 'none'}`)
  }
  if (!boundary) throw new GoogleError(400, 'invalid Content-Type header: no boundary')
  if (longBoundaries === 'refused' && boundary.length > maxBoundaryLength) {
    throw new GoogleError(400, `invalid Content-Type header: boundary longer than ${maxBoundaryLength} characters`)
  }
  const parts = readParts(call.body(), boundary)
  return form === dicom ? partBodies(parts) : filesFromJson(parts, folder)
}

async function* single(body: AsyncIterable<Buffer>): AsyncGenerator<AsyncIterable<Buffer>> {
  yield body
}

async function* partBodies(parts: AsyncIterable<Part>): AsyncGenerator<AsyncIterable<Buffer>> {
  for await (const { headers, body } of parts) {
    const { type } = parseMediaType(headers['content-type'])
    if (type !== dicom) throw new GoogleError(400, `unsupported Content-Type of a part: ${type || 'none'}`)
    yield body
  }
}

interface ResponseContext extends Pick<Storage, 'webRoot' | 'study'> {
  readonly form: ResponseForm
}

/** PS3.18, I.2: Store Instances Response Module. */
function storeInstancesResponse(stored: readonly Stored[], { webRoot, study, form }: ResponseContext): DataSet {
  const response: DataSet = {}
  const good = stored.filter(({ failure }) => failure === undefined)
  const bad = stored.filter(({ failure }) => failure !== undefined)
  // A failure has it, too (dcmjs issue 249).
  const studies = new Set(study === undefined ? stored.map(({ uids }) => uids.study) : [study])
  const [only] = studies
  if (studies.size === 1 && only) response['00081190'] = { vr: 'UR', Value: [`${webRoot}/studies/${only}`] }
  if (bad.length > 0) response['00081198'] = { vr: 'SQ', Value: bad.map((item) => failedItem(item, form)) }
  if (good.length > 0 || bad.length === 0) {
    response['00081199'] = { vr: 'SQ', Value: good.map((item) => referencedItem(item, webRoot)) }
  }
  return response
}

function failedItem({ uids, sopClass, failure = '' }: Stored, form: ResponseForm): DataSet {
  return {
    ...(sopClass && { '00081150': { vr: 'UI', Value: [sopClass] } }),
    ...(uids.instance && { '00081155': { vr: 'UI', Value: [uids.instance] } }),
    '00081197': { vr: 'US', Value: [processingFailure] },
    // FailureDetail; in JSON FailureDetailJSON.
    [form === dicomXml ? '00090097' : '00091097']: { vr: 'LT', Value: [failure] },
  }
}

function referencedItem({ uids, sopClass }: Stored, webRoot: string): DataSet {
  return {
    '00081150': uidElement(sopClass),
    '00081155': uidElement(uids.instance),
    '00081190': { vr: 'UR', Value: [instanceUrl(uids, webRoot)] },
  }
}

function uidElement(uid: string) {
  return uid === '' ? { vr: 'UI' } : { vr: 'UI', Value: [uid] }
}
