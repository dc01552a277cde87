import { StringDecoder } from 'node:string_decoder'
import sax from 'sax'
import type { WholeResponse } from '../../forward/buffered-response.ts'

export type DocumentForm = 'json' | 'xml'

/** An item of one of the sequences that say what became of the instances. */
export interface StoreItem {
  readonly sequence: InstanceSequence
  /** Empty if the item names none. A patient's data. */
  readonly sopInstance: string
  /** As Google wrote it. */
  readonly text: string
}

/** A store response (PS3.18 I.2) in its parts. */
export interface StoreDocument {
  readonly form: DocumentForm
  readonly items: readonly StoreItem[]
  /** Attributes other than those sequences, by tag. */
  readonly attributes: ReadonlyMap<string, string>
}

/** Failed SOP Sequence, Referenced SOP Sequence, Other Failures Sequence. */
const sequences = ['00081198', '00081199', '0008119A'] as const
export type InstanceSequence = (typeof sequences)[number]
export const storedSequence: InstanceSequence = '00081199'
export const failedSequence: InstanceSequence = '00081198'

const sopInstanceUid = '00081155'

/** Statuses that come with a store response (PS3.18 10.5.3). */
const statuses: ReadonlySet<number> = new Set([200, 202, 409])

/** Null for what is no store response that can be read. */
export function readStoreDocument({ status, headers, body }: WholeResponse): StoreDocument | null {
  if (!statuses.has(status) || headers['content-encoding'] !== undefined) return null
  const syntax = /^application\/(?:dicom\+)?(json|xml)\b/i.exec(String(headers['content-type'] ?? ''))?.[1]
  if (syntax === undefined) return null
  try {
    const document = syntax.toLowerCase() === 'xml' ? fromXml(body) : fromJson(body)
    return document
  } catch {
    return null
  }
}

export function isInstanceSequence(tag: string): tag is InstanceSequence {
  return (sequences as readonly string[]).includes(tag)
}

function fromJson(body: Buffer): StoreDocument | null {
  const document: unknown = JSON.parse(body.toString())
  if (!isRecord(document)) return null
  const items: StoreItem[] = []
  const attributes = new Map<string, string>()
  for (const [tag, attribute] of Object.entries(document)) {
    if (!isInstanceSequence(tag)) attributes.set(tag, JSON.stringify(attribute))
    else for (const item of valuesOf(attribute)) items.push(jsonItem(tag, item))
  }
  return isStoreResponse(Object.keys(document)) ? { form: 'json', items, attributes } : null
}

function jsonItem(sequence: InstanceSequence, item: unknown): StoreItem {
  const [uid] = isRecord(item) ? valuesOf(item[sopInstanceUid]) : []
  return { sequence, sopInstance: typeof uid === 'string' ? uid.trim() : '', text: JSON.stringify(item) }
}

function valuesOf(attribute: unknown): readonly unknown[] {
  const values = isRecord(attribute) ? attribute.Value : []
  return Array.isArray(values) ? values : []
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** It has at least one of the sequences, were it an empty one. */
function isStoreResponse(topTags: readonly string[]): boolean {
  return topTags.some(isInstanceSequence)
}

/** The Native DICOM Model (PS3.19 A.1): its items are cut out as they stand. */
function fromXml(body: Buffer): StoreDocument | null {
  const text = new StringDecoder('utf8').end(body)
  const parser = sax.parser(true)
  const items: StoreItem[] = []
  const attributes = new Map<string, string>()
  const topTags: string[] = []
  /** Tags of attributes, names of other elements, from the root down. */
  const path: string[] = []
  let attributeFrom = 0
  let itemFrom = 0
  let uid = ''
  parser.onerror = (error) => {
    throw error
  }
  parser.onopentag = ({ name, attributes: own }) => {
    const local = name.slice(name.indexOf(':') + 1)
    if (path.length === 0 && local !== 'NativeDicomModel') throw new Error('Not the Native DICOM Model')
    path.push(local === 'DicomAttribute' ? String(own.tag ?? '').toUpperCase() : local)
    if (path.length === 2) {
      topTags.push(path[1] ?? '')
      attributeFrom = parser.startTagPosition - 1
    }
    if (path.length === 3) {
      itemFrom = parser.position
      uid = ''
    }
  }
  const onText = (value: string) => {
    if (path.length === 5 && path[3] === sopInstanceUid) uid += value.trim()
  }
  parser.ontext = onText
  parser.oncdata = onText
  parser.onclosetag = () => {
    const [, top = '', within] = path
    const isInstances = isInstanceSequence(top)
    if (path.length === 3 && within === 'Item' && isInstances) {
      items.push({ sequence: top, sopInstance: uid, text: text.slice(itemFrom, endTagAt(text, parser.position)) })
    }
    if (path.length === 2 && !isInstances) attributes.set(top, text.slice(attributeFrom, parser.position))
    path.pop()
  }
  parser.write(text).close()
  return isStoreResponse(topTags) ? { form: 'xml', items, attributes } : null
}

/** Where the end tag begins that ends at a position; an empty element has none. */
function endTagAt(text: string, position: number): number {
  const from = text.lastIndexOf('<', position - 1)
  return text[from + 1] === '/' ? from : position
}
