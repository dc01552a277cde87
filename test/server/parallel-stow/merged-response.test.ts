import fc from 'fast-check'
import { test } from 'tap'
import {
  alreadyStored,
  type BatchOutcome,
  type FoundInstance,
  failuresIn,
  mergedBody,
  noOutcome,
  withSuccesses,
} from '../../../src/server/parallel-stow/merged-response.ts'
import {
  type DocumentForm,
  failedSequence,
  readStoreDocument,
  type StoreDocument,
  type StoreItem,
  storedSequence,
} from '../../../src/server/parallel-stow/store-document.ts'

/** How it is known what became of an instance. */
const sources = ['stored', 'refused', 'found', 'lost'] as const
type Source = (typeof sources)[number]

const uids = (sopInstance: string) => ({ sopClass: '1.2', sopInstance, study: '1.2.3', series: '1.2.4' })
const foundOf = (uid: string): FoundInstance => ({ uids: uids(uid), url: `https://google/${uid}` })
const isStored = (source: Source) => source === 'stored' || source === 'found'

function itemOf(form: DocumentForm, uid: string, source: Source): StoreItem {
  const text =
    form === 'json'
      ? JSON.stringify({ '00081155': { vr: 'UI', Value: [uid] } })
      : `<DicomAttribute tag="00081155" vr="UI"><Value number="1">${uid}</Value></DicomAttribute>`
  return { sequence: isStored(source) ? storedSequence : failedSequence, sopInstance: uid, text }
}

function documentOf(form: DocumentForm, items: readonly StoreItem[]): StoreDocument {
  return { form, items, attributes: new Map() }
}

const anyForm = fc.constantFrom<DocumentForm>('json', 'xml')
const anyBatch = fc.array(fc.constantFrom(...sources), { minLength: 1, maxLength: 8 })

test('what the proxy finds out stands where it was sent', async (t) => {
  const property = fc.property(anyForm, fc.array(anyBatch, { minLength: 1, maxLength: 4 }), (form, batches) => {
    const sent = batches.map((batch, at) => batch.map((source, index) => ({ uid: `1.${at}.${index}`, source })))
    const outcomes = sent.map((batch): BatchOutcome => {
      const of = (...wanted: Source[]) => batch.filter(({ source }) => wanted.includes(source))
      const items = of('stored', 'refused').map(({ uid, source }) => itemOf(form, uid, source))
      return {
        ...noOutcome,
        order: batch.map(({ uid }) => uid),
        document: items.length > 0 ? documentOf(form, items) : null,
        // Searches end in any order.
        found: of('found')
          .map(({ uid }) => foundOf(uid))
          .reverse(),
        lost: of('lost').map(({ uid }) => ({ uids: uids(uid), reason: 'It is <lost> & "gone".' })),
      }
    })
    const body = mergedBody(outcomes, form)
    const read = readStoreDocument({ status: 200, headers: { 'content-type': `application/dicom+${form}` }, body })
    const inSequence = (wanted: string) =>
      read?.items.filter(({ sequence }) => sequence === wanted).map(({ sopInstance }) => sopInstance)
    const expected = (wanted: boolean) =>
      sent
        .flat()
        .filter(({ source }) => isStored(source) === wanted)
        .map(({ uid }) => uid)
    t.strictSame(inSequence(storedSequence), expected(true))
    t.strictSame(inSequence(failedSequence), expected(false))
  })
  fc.assert(property, { numRuns: 100 })
})

test('as many failures are taken back as there are identical instances beside the successes', async (t) => {
  const counts = fc.record({ stored: fc.nat(3), failed: fc.nat(3), identical: fc.nat(6) })
  const property = fc.property(anyForm, fc.array(counts, { maxLength: 4 }), (form, each) => {
    const document = documentOf(
      form,
      each.flatMap(({ stored, failed }, uid) => [
        ...Array.from({ length: stored }, () => itemOf(form, `1.${uid}`, 'stored')),
        ...Array.from({ length: failed }, () => itemOf(form, `1.${uid}`, 'refused')),
      ]),
    )
    const found = each.flatMap(({ identical }, uid) => Array.from({ length: identical }, () => foundOf(`1.${uid}`)))
    const result = withSuccesses(document, found, alreadyStored)
    const corrected = each.map(({ stored, failed, identical }) => Math.min(failed, Math.max(0, identical - stored)))
    t.equal(
      result.corrected.length,
      corrected.reduce((sum, count) => sum + count, 0),
    )
    t.strictSame(
      each.map((_, uid) => result.document?.items.filter((item) => isFailureOf(item, `1.${uid}`)).length),
      each.map(({ failed }, uid) => failed - (corrected[uid] ?? 0)),
    )
    t.equal(result.document?.items.length, document.items.length)
    t.equal(
      result.document?.items.filter(({ text }) => /45329/.test(text)).length,
      result.corrected.length,
      'each with its warning',
    )
  })
  fc.assert(property, { numRuns: 100 })
})

function isFailureOf({ sequence, sopInstance }: StoreItem, uid: string): boolean {
  return sequence !== storedSequence && sopInstance === uid
}

test('an instance that a response does not name is no cost of an outage', async (t) => {
  const lost = [{ uids: uids('1.2'), reason: 'Not named.' }]
  const failure = { reason: 'Unavailable.', isForAll: false, cause: 503 }
  const failed: BatchOutcome = { ...noOutcome, lost, failure }
  t.same(failuresIn([failed]), { causes: new Set([503]), refused: 0 })
  const unnamed: BatchOutcome = { ...noOutcome, document: documentOf('json', []), lost }
  t.same(failuresIn([failed, unnamed]), { causes: new Set([503]), refused: 1 })
})
