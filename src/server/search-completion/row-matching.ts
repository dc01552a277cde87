import { type JsonAttribute, matchesKey, type ValueKey } from './value-matching.ts'

/** A study, series, instance or sequence item in DICOM JSON, by tag. */
export type Row = Readonly<Record<string, JsonAttribute | undefined>>

/** Keys of a search, by tag; those within a sequence in a node of their own. */
export interface KeyNode {
  readonly keys: (ValueKey & { readonly tag: string })[]
  readonly sequences: Map<string, KeyNode>
}

export function emptyKeyNode(): KeyNode {
  return { keys: [], sequences: new Map() }
}

/** @param path tags, from the outermost sequence to the attribute */
export function addKey(node: KeyNode, path: readonly string[], key: ValueKey): void {
  const [tag = '', ...inner] = path
  if (inner.length === 0) {
    node.keys.push({ ...key, tag })
    return
  }
  const child = node.sequences.get(tag) ?? emptyKeyNode()
  node.sequences.set(tag, child)
  addKey(child, inner, key)
}

/**
 * Whether a row matches all keys. Of a sequence, one item must match all keys that are within it
 * (PS3.4 C.2.2.2.6).
 */
export function matchesRow(row: Row, { keys, sequences }: KeyNode): boolean {
  return (
    keys.every((key) => matchesKey(row[key.tag], key)) &&
    [...sequences].every(([tag, node]) => itemsOf(row[tag]).some((item) => matchesRow(item, node)))
  )
}

function itemsOf(sequence: JsonAttribute | undefined): Row[] {
  if (sequence?.vr !== 'SQ') return []
  return (sequence.Value ?? []).filter((item): item is Row => typeof item === 'object' && item !== null)
}
