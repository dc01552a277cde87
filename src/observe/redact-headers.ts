type Headers = Readonly<Record<string, string | string[] | number | undefined>>

/** Replaces a value that may contain anything: a token, a query, a UID, a name. */
const redacted = '…'

/** Media types of DICOMweb (PS3.18 8.7) and of errors. Others might be made up by a client. */
const mediaTypes =
  /^(?:\*\/\*|application\/(?:dicom(?:\+json|\+xml)?|json|problem\+json|octet-stream|xml)|multipart\/(?:related|byteranges)|image\/(?:\*|jpeg|jls|jp2|jpx|png|gif|dicom-rle)|video\/(?:\*|mpeg|mp4)|text\/(?:plain|html|xml))$/
const number = /^\d{1,19}$/
const codings = /^(?:gzip|deflate|br|zstd|identity|chunked|\*)$/

/** Headers whose values are safe to show: a number, or one of a few known words. */
const shownAs: Readonly<Record<string, (value: string) => string>> = {
  accept: (value) => listOf(value, mediaTypes),
  'accept-encoding': (value) => listOf(value, codings),
  'accept-ranges': (value) => listOf(value, /^(?:bytes|none)$/),
  age: (value) => listOf(value, number),
  'content-encoding': (value) => listOf(value, codings),
  'content-length': (value) => listOf(value, number),
  'content-type': (value) => listOf(value, mediaTypes),
  'retry-after': (value) => listOf(value, number),
  'transfer-encoding': (value) => listOf(value, codings),
}

/**
 * Headers for debugging: their names, and the few values that can only contain words of the
 * protocol. Parameters are removed.
 *
 * @param names which names to show; the others are only counted, under `others`
 */
export function redactHeaders(headers: Headers, names: (name: string) => boolean): Record<string, string | number> {
  const shown: Record<string, string | number> = {}
  let others = 0
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue
    if (names(name)) shown[name] = shownAs[name]?.(String(value)) ?? redacted
    else others += 1
  }
  return others > 0 ? { ...shown, others } : shown
}

function listOf(value: string, allowed: RegExp): string {
  const items = value.split(',').map((item) => item.split(';')[0]?.trim().toLowerCase() ?? '')
  return items.map((item) => (allowed.test(item) ? item : redacted)).join(', ')
}
