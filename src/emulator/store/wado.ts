import type { Call } from '../call.ts'
import { bulkDataAt, type DataSet, withBulkDataUris } from '../dicom/dicom-json.ts'
import { toXml } from '../dicom/dicom-xml.ts'
import { canBeExplicit, explicitFile } from '../dicom/explicit-file.ts'
import { framesOf, type Range } from '../dicom/frames.ts'
import { nativeFrame, rle } from '../dicom/native-frame.ts'
import { explicitLittleEndian } from '../dicom/part10.ts'
import { GoogleError } from '../google-error.ts'
import type { EmulatorResponse } from '../response.ts'
import { type DicomStore, type Instance, instanceUrl, type Scope } from './dicom-store.ts'
import { covers, coversMultipart, type MediaType, parseAccept } from './media-type.ts'
import { multipartResponse, type OutgoingPart } from './multipart-writer.ts'
import { frameType, isDrawable, nativePixels, octets } from './pixel-types.ts'
import { renderedFrame } from './rendered.ts'
import { renderedResponse } from './rendered-response.ts'
import { fileBytes } from './stored-file.ts'

const dicom = 'application/dicom'
const dicomJson = 'application/dicom+json'
const dicomXml = 'application/dicom+xml'

/**
 * One retrieval below a study, series or instance; `rest` is the path after it: `metadata`,
 * `frames/1,2`…
 */
export interface Retrieval {
  readonly store: DicomStore
  readonly scope: Scope
  readonly rest: readonly string[]
  /** URL of the store's `dicomWeb`. */
  readonly webRoot: string
}

/** WADO-RS (PS3.18, 10.4). */
export function handleWado(retrieval: Retrieval, call: Call): EmulatorResponse {
  const instances = retrieval.store.find(retrieval.scope)
  const [first] = instances
  if (!first) throw notFound(retrieval)
  const accept = parseAccept(call.headers.accept)
  const [resource, ...rest] = retrieval.rest
  if (resource === undefined) return files(retrieval, instances, accept)
  if (resource === 'metadata' && rest.length === 0) return metadata(retrieval, instances, accept)
  if (retrieval.scope.instance === undefined) throw notFound(retrieval)
  if (resource === 'bulkdata' && rest.length > 0) return bulkData(first, rest, accept, retrieval)
  if (resource === 'rendered' && rest.length === 0) return rendered(first, [1], call.query, accept)
  if (resource !== 'frames' || !rest[0] || rest.length > 2) throw notFound(retrieval)
  const frames = frameNumbers(rest[0])
  if (rest[1] === undefined) return framesResponse(first, frames, accept)
  if (rest[1] === 'rendered') return rendered(first, frames, call.query, accept)
  throw notFound(retrieval)
}

function notFound({ scope, rest }: Retrieval): GoogleError {
  const path = [scope.study, scope.series, scope.instance, ...rest].filter((part) => part !== undefined).join('/')
  return new GoogleError(404, `DICOM resource not found: ${path}`)
}

function notAcceptable(accept: readonly MediaType[], what: string): GoogleError {
  const asked = accept.map(({ type }) => type).join(', ')
  return new GoogleError(406, `Cannot give ${what} as ${asked || 'asked'}.`)
}

/** The files as they were stored, byte for byte, or in the default transfer syntax. */
function files(
  { scope, webRoot }: Retrieval,
  instances: readonly Instance[],
  accept: readonly MediaType[],
): EmulatorResponse {
  const [first] = instances
  for (const range of accept) {
    const forms = instances.map((instance) => servedForm(range, instance))
    if (!forms.every((form) => form !== undefined)) continue
    if (coversMultipart(range, dicom)) {
      const parts = instances.map((item, index) => filePart(item, forms[index] ?? 'stored', webRoot))
      return multipartResponse(dicom, parts)
    }
    if (range.type === dicom && scope.instance !== undefined && first) return singleFile(first, forms[0] ?? 'stored')
  }
  throw notAcceptable(accept, 'these instances; the emulator decompresses only RLE, so ask with transfer-syntax=*:')
}

type FileForm = 'stored' | 'explicit'

/**
 * Without a transfer syntax asked, Explicit VR Little Endian is meant (conformance statement,
 * "DICOM study/series/instances"): Google decompresses then. Undefined for what can't be given.
 */
function servedForm({ parameters }: MediaType, instance: Instance): FileForm | undefined {
  const { transferSyntax } = instance
  const asked = parameters['transfer-syntax'] ?? explicitLittleEndian
  if (asked === '*' || asked === transferSyntax) return 'stored'
  return asked === explicitLittleEndian && canBeExplicit(instance) ? 'explicit' : undefined
}

function singleFile(instance: Instance, form: FileForm): EmulatorResponse {
  if (form === 'explicit') return { status: 200, headers: { 'content-type': dicom }, body: explicitFile(instance) }
  const { file, size } = instance
  return { status: 200, headers: { 'content-type': dicom, 'content-length': String(size) }, body: fileBytes(file) }
}

function filePart(instance: Instance, form: FileForm, webRoot: string): OutgoingPart {
  const syntax = form === 'explicit' ? explicitLittleEndian : instance.transferSyntax
  const body = form === 'explicit' ? explicitFile(instance) : fileBytes(instance.file)
  return { type: `${dicom}; transfer-syntax=${syntax}`, location: instanceUrl(instance, webRoot), body }
}

function metadata(
  { webRoot }: Retrieval,
  instances: readonly Instance[],
  accept: readonly MediaType[],
): EmulatorResponse {
  const dataSets = instances.map((instance) =>
    withBulkDataUris(instance.dataSet, `${instanceUrl(instance, webRoot)}/bulkdata`),
  )
  return dataSetsResponse(dataSets, accept)
}

/** Data sets as one JSON array, or as XML documents in parts: what metadata and searches return. */
export function dataSetsResponse(dataSets: readonly DataSet[], accept: readonly MediaType[]): EmulatorResponse {
  for (const range of accept) {
    if (covers(range, dicomJson)) {
      return { status: 200, headers: { 'content-type': dicomJson }, body: JSON.stringify(dataSets) }
    }
    if (coversMultipart(range, dicomXml)) {
      return multipartResponse(
        dicomXml,
        dataSets.map((dataSet) => ({ type: dicomXml, body: toXml(dataSet) })),
      )
    }
  }
  throw notAcceptable(accept, 'data sets')
}

/** In parts only, of the type that the stored syntax has, or of octets. */
function framesResponse(
  instance: Instance,
  numbers: readonly number[],
  accept: readonly MediaType[],
): EmulatorResponse {
  const { transferSyntax, plainFile } = instance
  const ranges = selectFrames(instance, numbers)
  const own = frameType(transferSyntax)
  for (const range of accept) {
    const type = own && coversMultipart(range, own) && range.parameters.type ? own : octets
    const asked = range.parameters['transfer-syntax'] ?? (type === octets ? explicitLittleEndian : transferSyntax)
    if (!coversMultipart(range, type)) continue
    if (
      asked === '*' ||
      asked === transferSyntax ||
      (asked === explicitLittleEndian && nativePixels.has(transferSyntax))
    ) {
      const partType = nativePixels.has(transferSyntax) ? type : `${type}; transfer-syntax=${transferSyntax}`
      const parts = ranges.map((pieces) => ({ type: partType, body: rangeBytes(plainFile, pieces) }))
      return multipartResponse(type, parts)
    }
    if (asked === explicitLittleEndian && transferSyntax === rle) {
      const parts = ranges.map((pieces) => ({ type, body: nativeFrame(instance, pieces) }))
      return multipartResponse(type, parts)
    }
  }
  throw notAcceptable(accept, 'frames; the emulator decompresses only RLE, so ask with transfer-syntax=*:')
}

function selectFrames(instance: Instance, numbers: readonly number[]): Range[] {
  const all = framesOf(instance.plainFile, instance.dataSet)
  return numbers.map((number) => {
    const range = all.range(number - 1)
    if (!range) throw new GoogleError(404, `Frame ${number} not found: the instance has ${all.count}.`)
    return range
  })
}

function frameNumbers(list: string): number[] {
  const numbers = list.split(',').map(Number)
  if (numbers.some((number) => !Number.isInteger(number) || number < 1)) {
    throw new GoogleError(400, `Invalid frame list: ${list}`)
  }
  return numbers
}

function bulkData(
  instance: Instance,
  path: readonly string[],
  accept: readonly MediaType[],
  from: Retrieval,
): EmulatorResponse {
  const bulk = bulkDataAt(instance.dataSet, path)?.bulk
  if (!bulk) throw notFound(from)
  const frames = bulk.encapsulated ? framesOf(instance.plainFile, instance.dataSet) : undefined
  const ranges = frames ? Array.from({ length: frames.count }, (_, index) => frames.range(index) ?? []) : [[bulk]]
  return octetsResponse(instance, ranges, accept)
}

function octetsResponse(
  { plainFile }: Instance,
  ranges: readonly Range[],
  accept: readonly MediaType[],
): EmulatorResponse {
  for (const range of accept) {
    const single = ranges.length === 1 ? ranges[0] : undefined
    if (range.type === octets && single) {
      const length = single.reduce((sum, piece) => sum + piece.length, 0)
      const headers = { 'content-type': octets, 'content-length': String(length) }
      return { status: 200, headers, body: rangeBytes(plainFile, single) }
    }
    if (coversMultipart(range, octets)) {
      return multipartResponse(
        octets,
        ranges.map((pieces) => ({ type: octets, body: rangeBytes(plainFile, pieces) })),
      )
    }
  }
  throw notAcceptable(accept, 'these bytes')
}

async function* rangeBytes(file: string, pieces: Range): AsyncGenerator<Buffer> {
  for (const { offset, length } of pieces) yield* fileBytes(file, offset, length)
}

function rendered(
  instance: Instance,
  numbers: readonly number[],
  query: URLSearchParams,
  accept: readonly MediaType[],
): EmulatorResponse {
  if (!isDrawable(instance.transferSyntax))
    throw new GoogleError(406, 'The emulator renders native and RLE pixel data only.')
  const images = selectFrames(instance, numbers).map((range) => {
    const image = renderedFrame(instance, range)
    if (!image) throw new GoogleError(406, 'The emulator renders 8 and 16 bit grayscale and 8 bit colour images only.')
    return image
  })
  return renderedResponse(images, query, accept)
}
