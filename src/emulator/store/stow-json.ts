import { rm, stat } from 'node:fs/promises'
import { DataSetError } from '../dicom/data-set-reader.ts'
import { isEncapsulated, type OutsideValue, writeDicomFile } from '../dicom/data-set-writer.ts'
import { type DataSet, textOf } from '../dicom/dicom-json.ts'
import { keywordOf, type Tag } from '../dicom/dictionary.ts'
import { bigEndian, deflated } from '../dicom/part10.ts'
import { GoogleError } from '../google-error.ts'
import { parseMediaType } from './media-type.ts'
import type { Part } from './multipart-reader.ts'
import { frameType, octets } from './pixel-types.ts'
import { fileBytes, receiveFile } from './stored-file.ts'

export const dicomJson = 'application/dicom+json'

/** The emulator's own limit. */
const maxMetadataBytes = 64 * 1024 * 1024
const pixelData: Tag = '7FE00010'
/**
 * Elements that each instance must have (conformance statement, "JSON metadata and bulk data
 * requests").
 */
const required: readonly Tag[] = ['00080005', '00020010', '00080016', '0020000D', '0020000E', '00080018']
const bulkVrs = new Set(['OB', 'OW', 'UN'])
/** Syntaxes that Google takes from a bulk data part, beside those of frames. */
const otherImages: Readonly<Record<string, string>> = {
  '1.2.840.10008.1.2.4.92': 'image/jpx',
  '1.2.840.10008.1.2.4.93': 'image/jpx',
}

/** An instance of the metadata, and its element that comes in a part of its own. */
interface Announced {
  readonly dataSet: DataSet
  readonly transferSyntax: string
  readonly bulk: { readonly tag: Tag; readonly uri: string } | undefined
}

/**
 * Part 10 files made of metadata in the first part, and bulk data in the parts that follow, each
 * named by its Content-Location. What is wrong with the request is a 400.
 */
export async function* filesFromJson(
  parts: AsyncIterable<Part>,
  folder: string,
): AsyncGenerator<AsyncIterable<Buffer>> {
  let waiting: Map<string, Announced> | undefined
  for await (const part of parts) {
    if (waiting === undefined) {
      const announced = await readMetadata(part)
      waiting = waitingFor(announced)
      for (const instance of announced) if (!instance.bulk) yield bytesOf(instance)
    } else {
      const instance = take(waiting, part)
      const file = await receiveFile(part.body, folder)
      try {
        yield bytesOf(instance, file, (await stat(file)).size)
      } finally {
        await rm(file, { force: true })
      }
    }
  }
  const [missing] = waiting?.keys() ?? []
  if (missing !== undefined) throw invalid(`no part has the Content-Location ${missing}`)
}

async function* bytesOf(
  { dataSet, transferSyntax, bulk }: Announced,
  file?: string,
  length = 0,
): AsyncGenerator<Buffer> {
  const outside: OutsideValue | undefined = bulk && {
    tag: bulk.tag,
    length,
    isEncapsulated: bulk.tag === pixelData && isEncapsulated(transferSyntax),
  }
  const { before, after } = written(() => writeDicomFile(dataSet, transferSyntax, outside))
  yield before
  if (file !== undefined) yield* fileBytes(file)
  yield after
}

function written<T>(write: () => T): T {
  try {
    return write()
  } catch (cause) {
    if (cause instanceof DataSetError) throw invalid(cause.message)
    throw cause
  }
}

async function readMetadata({ headers, body }: Part): Promise<Announced[]> {
  const { type, parameters } = parseMediaType(headers['content-type'])
  if (type !== dicomJson) throw invalid(`the first part must be ${dicomJson}`)
  const instances = parseInstances(await textOfPart(body))
  return instances.map((dataSet) => announce(dataSet, parameters['transfer-syntax'] !== undefined))
}

async function textOfPart(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > maxMetadataBytes) throw invalid('the metadata are too large')
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parseInstances(text: string): DataSet[] {
  try {
    const instances: unknown = JSON.parse(text)
    const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value)
    const isInstance = (value: unknown) => isObject(value) && Object.values(value as object).every(isObject)
    if (Array.isArray(instances) && instances.length > 0 && instances.every(isInstance)) return instances
  } catch {
    // The refusal is the same.
  }
  throw invalid('the metadata are not a JSON array of DICOM instances')
}

function announce(dataSet: DataSet, namesSyntax: boolean): Announced {
  const missing = required.find((tag) => textOf(dataSet, tag) === '')
  if (missing !== undefined) throw invalid(`an instance lacks ${keywordOf(missing)}`)
  if (textOf(dataSet, '00080005') !== 'ISO_IR 192') throw invalid('SpecificCharacterSet must be ISO_IR 192')
  const transferSyntax = textOf(dataSet, '00020010')
  if (transferSyntax === bigEndian || transferSyntax === deflated) {
    throw invalid(`unsupported TransferSyntaxUID: ${transferSyntax}`)
  }
  const binary = Object.entries(dataSet).filter(([, { InlineBinary }]) => InlineBinary !== undefined)
  if (binary.length > 0 && !namesSyntax) throw invalid('InlineBinary needs a transfer-syntax in the Content-Type')
  if (binary.some(([tag]) => tag === pixelData)) throw invalid('PixelData cannot be InlineBinary')
  const [bulk, second] = Object.entries(dataSet).filter(([, { BulkDataURI }]) => BulkDataURI !== undefined)
  if (second) throw invalid('an instance has more than one BulkDataURI')
  if (bulk && !bulkVrs.has(bulk[1].vr)) throw invalid(`a BulkDataURI needs the VR OB, OW or UN: ${bulk[0]}`)
  return { dataSet, transferSyntax, bulk: bulk && { tag: bulk[0], uri: String(bulk[1].BulkDataURI) } }
}

function waitingFor(announced: readonly Announced[]): Map<string, Announced> {
  const waiting = new Map<string, Announced>()
  for (const instance of announced) {
    if (!instance.bulk) continue
    if (waiting.has(instance.bulk.uri)) throw invalid(`more than one BulkDataURI is ${instance.bulk.uri}`)
    waiting.set(instance.bulk.uri, instance)
  }
  return waiting
}

function take(waiting: Map<string, Announced>, { headers }: Part): Announced {
  const uri = headers['content-location'] ?? ''
  const instance = waiting.get(uri)
  if (!instance) throw invalid(`no BulkDataURI is the Content-Location of a part: ${uri || 'none'}`)
  waiting.delete(uri)
  const { type, parameters } = parseMediaType(headers['content-type'])
  if (type === octets) return instance
  const { transferSyntax, bulk } = instance
  const own = frameType(transferSyntax) ?? otherImages[transferSyntax]
  if (bulk?.tag !== pixelData || type !== own || parameters['transfer-syntax'] !== transferSyntax) {
    throw invalid(`unsupported Content-Type of a bulk data part: ${headers['content-type'] ?? 'none'}`)
  }
  return instance
}

function invalid(message: string): GoogleError {
  return new GoogleError(400, `invalid JSON metadata request: ${message}`)
}
