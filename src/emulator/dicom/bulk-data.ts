import type { Tag } from './dictionary.ts'
import { valueBytes } from './element-value.ts'

const pixelData = new Set<Tag>(['7FE00008', '7FE00009', '7FE00010'])
const always = new Set(['OB', 'OW', 'UN'])
const byLength = new Set(['OD', 'OF', 'OL', 'OV'])
const maxInlineBytes = 2048
const byMultiplicity = new Set(['AT', 'FD', 'FL', 'UL', 'US', 'SV', 'UV'])
const maxInlineValues = 512

/**
 * Whether metadata have a URI in place of the value (conformance statement, "Bulkdata definition").
 */
export function isBulk(tag: Tag, vr: string, length: number): boolean {
  if (pixelData.has(tag) || always.has(vr)) return true
  if (byLength.has(vr)) return length > maxInlineBytes
  return byMultiplicity.has(vr) && length / valueBytes(vr) > maxInlineValues
}
