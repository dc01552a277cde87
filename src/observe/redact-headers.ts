type Headers = Readonly<Record<string, string | string[] | number | undefined>>

/** Stands for a value that may hold anything: a token, a query, a UID, a name. */
const redacted = '…'

/** Media types of DICOMweb (PS3.18 8.7) and of errors. Others may be anything that a client has made up. */
const mediaTypes =
  /^(?:\*\/\*|application\/(?:dicom(?:\+json|\+xml)?|json|problem\+json|octet-stream|xml)|multipart\/(?:related|byteranges)|image\/(?:\*|jpeg|jls|jp2|jpx|png|gif|dicom-rle)|video\/(?:\*|mpeg|mp4)|text\/(?:plain|html|xml))$/
const number = /^\d{1,19}$/
const codings = /^(?:gzip|deflate|br|zstd|identity|chunked|\*)$/

/** Values that are one of a few words, or a number: these can be shown. */
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
 * Headers as a person may read them who looks for a mistake: which there are, and the values of the few that can't hold anything
 * but words of the protocol. Parameters are left out.
 *
 * @param names those that are named; of others there is only the number, under `others`
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
