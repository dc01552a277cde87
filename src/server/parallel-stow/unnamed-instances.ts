import type { FoundInstance } from './merged-response.ts'
import { type StoreDocument, storedSequence } from './store-document.ts'

/** Instances of a batch of which Google's response says nothing, though it has to name each. */
export interface Unnamed {
  /** How many, by SOP Instance UID; those whose own the proxy can't read have an empty one. */
  readonly counts: ReadonlyMap<string, number>
  /** Failures without a UID, which may be those of so many of them. */
  readonly namelessFailures: number
}

/**
 * Whether a response has one item for each instance that was sent, all with different UIDs. These
 * are taken for theirs: reading the UIDs of 10,000 small instances takes half as long as sending
 * them to a near store.
 */
export function namesAsMany({ items }: StoreDocument, sent: number): boolean {
  const uids = new Set(items.map(({ sopInstance }) => sopInstance))
  return items.length === sent && uids.size === sent && !uids.has('')
}

/**
 * Compares a response with what was sent, by UID and number: two instances with the same UID have
 * two items. An item of another UID is that of an instance whose own the proxy can't read, or of a
 * part that it took for the end of another one (docs/adr/0037).
 *
 * @param sent SOP Instance UIDs of the batch's instances
 */
export function unnamedIn({ items }: StoreDocument, sent: readonly string[]): Unnamed {
  const left = new Map<string, number>()
  for (const uid of sent) left.set(uid, (left.get(uid) ?? 0) + 1)
  let namelessFailures = 0
  let others = 0
  for (const { sequence, sopInstance } of items) {
    const count = left.get(sopInstance) ?? 0
    if (count > 0) left.set(sopInstance, count - 1)
    else if (sopInstance === '' && sequence !== storedSequence) namelessFailures += 1
    else others += 1
  }
  left.set('', Math.max((left.get('') ?? 0) - others, 0))
  return { counts: new Map([...left].filter(([, count]) => count > 0)), namelessFailures }
}

/**
 * Those of the found instances that count as stored. Of several with one UID, the response may name
 * some that Google has, too.
 */
export function storedOf(
  { counts }: Unnamed,
  { items }: StoreDocument,
  found: readonly FoundInstance[],
): readonly FoundInstance[] {
  const named = Map.groupBy(
    items.filter(({ sequence }) => sequence === storedSequence),
    ({ sopInstance }) => sopInstance,
  )
  return [...Map.groupBy(found, ({ uids }) => uids.sopInstance)].flatMap(([uid, instances]) =>
    instances.slice(named.get(uid)?.length ?? 0).slice(0, counts.get(uid) ?? 0),
  )
}

/** A response without so many of its failures that have no UID: each has an item by name instead. */
export function withoutNameless(document: StoreDocument, count: number): StoreDocument {
  let left = count
  const items = document.items.filter(({ sequence, sopInstance }) => {
    const isNameless = sopInstance === '' && sequence !== storedSequence
    return !(isNameless && left-- > 0)
  })
  return { ...document, items }
}
