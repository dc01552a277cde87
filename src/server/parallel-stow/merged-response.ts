import type { ErrorCode } from '../../errors.ts'
import type { WholeResponse } from '../../forward/buffered-response.ts'
import type { BatchFailures } from '../../observe/request-event.ts'
import type { InstanceUids } from './instance-head.ts'
import {
  type DocumentForm,
  failedSequence,
  type InstanceSequence,
  type StoreDocument,
  type StoreItem,
  storedSequence,
} from './store-document.ts'

/** What became of one batch: Google's response, and what the proxy found out beside it. */
export interface BatchOutcome {
  /** Null without one, or if it is no store response. */
  readonly document: StoreDocument | null
  /** SOP Instance UIDs as they were sent; empty where nothing was found or lost. */
  readonly order: readonly string[]
  /** SOP Instance UIDs whose failure in Google's response became a success. */
  readonly corrected: readonly string[]
  /** Instances that Google turned out to have, though it did not say so. */
  readonly found: readonly FoundInstance[]
  /** Instances that were not stored, though no response of Google's names them as failures. */
  readonly lost: readonly LostInstance[]
  /** Why it failed for good; null unless it did. */
  readonly failure: BatchFailure | null
}

export const noOutcome: BatchOutcome = {
  document: null,
  order: [],
  corrected: [],
  found: [],
  lost: [],
  failure: null,
}

export interface BatchFailure {
  readonly reason: string
  /** Whether the rest of the upload would certainly end in the same way. */
  readonly isForAll: boolean
  /** Google's status, or the proxy's code without one. */
  readonly cause: number | ErrorCode
}

export interface FoundInstance {
  readonly uids: InstanceUids
  /** As Google would write it. */
  readonly url: string
}

export interface LostInstance {
  readonly uids: InstanceUids
  /** A sentence for the person who reads the response. */
  readonly reason: string
}

/** A success with a doubt. */
export interface StoreWarning {
  /** Warning Reason (0008,1196). */
  readonly code: number
  readonly text: string
}

/** A code of our own in the class of warnings (PS3.7 C.4): the standard has none for it. */
export const alreadyStored: StoreWarning = {
  code: 0xb111,
  text: 'Google refused this instance because it has it already. The two are the same, byte for byte.',
}

/** "Processing failure" (PS3.18, Table I.2-2): Google's reason for every cause. */
const processingFailure = 0x0110

/** The response to an upload, from what became of its batches, in their order. */
export function mergedBody(outcomes: readonly BatchOutcome[], form: DocumentForm): Buffer {
  const texts = new Map<InstanceSequence, string[]>()
  for (const outcome of outcomes) {
    for (const { sequence, text } of itemsOf(outcome, form)) {
      const others = texts.get(sequence)
      if (others) others.push(text)
      else texts.set(sequence, [text])
    }
  }
  if (texts.size === 0) texts.set(storedSequence, [])
  const attributes = new Map(sharedAttributes(outcomes.flatMap(({ document }) => document ?? [])))
  const sequence = form === 'json' ? jsonSequence : xmlSequence
  for (const [tag, ofSequence] of texts) attributes.set(tag, sequence(tag, ofSequence))
  const sorted = [...attributes].sort(([one], [other]) => (one < other ? -1 : 1))
  return Buffer.from(form === 'json' ? jsonDocument(sorted) : xmlDocument(sorted.map(([, text]) => text)))
}

/** Whether any instance is not stored. */
export function hasFailures(outcomes: readonly BatchOutcome[]): boolean {
  return outcomes.some(({ lost }) => lost.length > 0) || refusedIn(outcomes) > 0
}

/** What failed; undefined if nothing did. */
export function failuresIn(outcomes: readonly BatchOutcome[]): BatchFailures | undefined {
  const causes = new Set(outcomes.flatMap(({ failure }) => failure?.cause ?? []))
  // Of a batch with a response, those that it doesn't name are no cost of an outage.
  const unnamed = outcomes.reduce((sum, { document, lost }) => sum + (document ? lost.length : 0), 0)
  const refused = refusedIn(outcomes) + unnamed
  return causes.size > 0 || refused > 0 ? { causes, refused } : undefined
}

/** Instances that Google did not store, by its response. */
function refusedIn(outcomes: readonly BatchOutcome[]): number {
  const items = outcomes.flatMap(({ document }) => document?.items ?? [])
  return items.filter(({ sequence }) => sequence !== storedSequence).length
}

/** The headers of Google's last response for another body. */
export function mergedHeaders({ headers }: WholeResponse, body: Buffer): WholeResponse['headers'] {
  const { 'transfer-encoding': _, etag: __, ...rest } = headers
  return { ...rest, 'content-length': String(body.length) }
}

/**
 * A response in which instances that Google has count as stored, though it refused them. Of several
 * instances with one UID, as many failures are taken back as were not reported as stored.
 */
export function withSuccesses(
  document: StoreDocument,
  found: readonly FoundInstance[],
  warning: StoreWarning | null = null,
): { document: StoreDocument; corrected: readonly string[] } {
  const left = Map.groupBy(found, ({ uids }) => uids.sopInstance)
  for (const { sequence, sopInstance } of document.items) if (sequence === storedSequence) left.get(sopInstance)?.pop()
  const corrected: string[] = []
  const items = document.items.map((item) => {
    const instance = item.sequence === storedSequence ? undefined : left.get(item.sopInstance)?.pop()
    if (!instance) return item
    corrected.push(item.sopInstance)
    return storedItem(document.form, instance, warning)
  })
  return { document: { ...document, items }, corrected }
}

/** What the proxy adds stands where it was sent. */
function itemsOf({ document, order, found, lost }: BatchOutcome, form: DocumentForm): readonly StoreItem[] {
  if (document && found.length + lost.length === 0) return document.items
  const items = [
    ...(document?.items ?? []),
    ...found.map((instance) => storedItem(form, instance, null)),
    ...lost.map((instance) => failedItem(form, instance)),
  ]
  const positions = new Map(order.map((uid, at) => [uid, at]))
  const positionOf = ({ sopInstance }: StoreItem) => positions.get(sopInstance) ?? order.length
  return items.sort((one, other) => positionOf(one) - positionOf(other))
}

function storedItem(form: DocumentForm, { uids, url }: FoundInstance, warning: StoreWarning | null): StoreItem {
  const attributes: Attribute[] = [
    uid('00081150', uids.sopClass),
    uid('00081155', uids.sopInstance),
    ['00081190', 'UR', url],
  ]
  if (warning) attributes.push(['00081196', 'US', warning.code], detail(form, warning.text))
  return { sequence: storedSequence, sopInstance: uids.sopInstance, text: writeItem(form, attributes) }
}

function failedItem(form: DocumentForm, { uids, reason }: LostInstance): StoreItem {
  const text = writeItem(form, [
    uid('00081150', uids.sopClass),
    uid('00081155', uids.sopInstance),
    ['00081197', 'US', processingFailure],
    detail(form, reason),
  ])
  return { sequence: failedSequence, sopInstance: uids.sopInstance, text }
}

/** FailureDetail, which Google writes as another tag in JSON. */
function detail(form: DocumentForm, text: string): Attribute {
  return [form === 'json' ? '00091097' : '00090097', 'LT', text]
}

/**
 * Attributes that all responses have alike: a Retrieve URL is that of the only study, or there is
 * none.
 */
function sharedAttributes(documents: readonly StoreDocument[]): [string, string][] {
  const [first, ...others] = documents
  return [...(first?.attributes ?? [])].filter(([tag, text]) =>
    others.every(({ attributes }) => attributes.get(tag) === text),
  )
}

type Attribute = readonly [tag: string, vr: string, value: string | number]

function uid(tag: string, value: string): Attribute {
  return [tag, 'UI', value]
}

function writeItem(form: DocumentForm, attributes: readonly Attribute[]): string {
  if (form === 'xml') return attributes.map(xmlAttribute).join('')
  return JSON.stringify(
    Object.fromEntries(attributes.map(([tag, vr, value]) => [tag, value === '' ? { vr } : { vr, Value: [value] }])),
  )
}

function xmlAttribute([tag, vr, value]: Attribute): string {
  const begin = `<DicomAttribute tag="${tag}" vr="${vr}"${keywords[tag] ? ` keyword="${keywords[tag]}"` : ''}>`
  return `${begin}${value === '' ? '' : `<Value number="1">${escapeXml(String(value))}</Value>`}</DicomAttribute>`
}

const keywords: Readonly<Record<string, string>> = {
  '00081150': 'ReferencedSOPClassUID',
  '00081155': 'ReferencedSOPInstanceUID',
  '00081190': 'RetrieveURL',
  '00081196': 'WarningReason',
  '00081197': 'FailureReason',
  '00081198': 'FailedSOPSequence',
  '00081199': 'ReferencedSOPSequence',
  '0008119A': 'OtherFailuresSequence',
}

function jsonSequence(_tag: string, items: readonly string[]): string {
  return `{"vr":"SQ","Value":[${items.join(',')}]}`
}

function xmlSequence(tag: string, items: readonly string[]): string {
  const numbered = items.map((text, at) => `<Item number="${at + 1}">${text}</Item>`).join('')
  return `<DicomAttribute tag="${tag}" vr="SQ" keyword="${keywords[tag]}">${numbered}</DicomAttribute>`
}

function jsonDocument(attributes: readonly (readonly [tag: string, text: string])[]): string {
  return `{${attributes.map(([tag, text]) => `${JSON.stringify(tag)}:${text}`).join(',')}}`
}

function xmlDocument(attributes: readonly string[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">${attributes.join('')}</NativeDicomModel>\n`
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
