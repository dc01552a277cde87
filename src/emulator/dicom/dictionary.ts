import { data } from 'dcmjs'

/** A data element's tag as the DICOM JSON Model writes it: eight upper-case hexadecimal digits. */
export type Tag = string

const { nameMap, dictionary } = data.DicomMetaDictionary

/** "PatientName", "00100010" -> "00100010"; undefined for what is neither a keyword nor a tag. */
export function tagOf(name: string): Tag | undefined {
  if (/^[0-9a-f]{8}$/i.test(name)) return name.toUpperCase()
  const tag = Object.hasOwn(nameMap, name) ? nameMap[name]?.tag : undefined
  return tag?.replace(/[(),]/g, '').toUpperCase()
}

export function keywordOf(tag: Tag): string | undefined {
  return entry(tag)?.name
}

/** The VR for Implicit VR data sets (PS3.6); where it depends on other elements, the one that fits most. */
export function vrOf(tag: Tag): string {
  if (tag.endsWith('0000')) return 'UL'
  const vr = entry(tag)?.vr ?? 'UN'
  if (vr === 'ox') return 'OW'
  if (vr === 'xs') return 'US'
  return /^[A-Z]{2}/.exec(vr)?.[0] ?? 'UN'
}

function entry(tag: Tag) {
  return dictionary[`(${tag.slice(0, 4)},${tag.slice(4)})`]
}
