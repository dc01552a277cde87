import { dictionaryLines } from './dictionary-lines.ts'

/** A data element's tag as the DICOM JSON Model writes it: eight upper-case hexadecimal digits. */
export type Tag = string

interface Entry {
  readonly vr: string
  readonly keyword: string
}

/** By tag, with `xx` in the tags of repeating groups. */
const entries = new Map<string, Entry>()
const tags = new Map<string, Tag>()
for (const line of dictionaryLines.trim().split('\n')) {
  const [tag = '', vr = '', , keyword = ''] = line.split(' ')
  entries.set(tag, { vr, keyword })
  tags.set(keyword, tag.replace('xx', '00'))
}

/** "PatientName", "00100010" -> "00100010"; undefined for what is neither a keyword nor a tag. */
export function tagOf(name: string): Tag | undefined {
  return /^[0-9a-f]{8}$/i.test(name) ? name.toUpperCase() : tags.get(name)
}

export function keywordOf(tag: Tag): string | undefined {
  return entry(tag)?.keyword
}

/**
 * The VR for Implicit VR data sets (PS3.6); where it depends on other elements, the one that fits
 * most.
 */
export function vrOf(tag: Tag): string {
  return tag.endsWith('0000') ? 'UL' : (entry(tag)?.vr ?? 'UN')
}

function entry(tag: Tag): Entry | undefined {
  return entries.get(tag) ?? entries.get(`${tag.slice(0, 2)}xx${tag.slice(4)}`)
}
