const longest = 300
const hidden = '…'

/**
 * What Google says of a refusal, fit for logs: no UID, nothing of the request's query or path that is a client's, nothing
 * that could be a secret. Rather too little is left of it than too much.
 *
 * @param path path and query that were sent to Google
 */
export function withoutPatientData(message: string, status: number, path: string): string {
  // First of all, or a value could hide behind a character that is removed later.
  let text = visible(message)
  for (const value of clientValues(path)) text = text.replaceAll(value, hidden)
  text = text
    // UIDs have at least three components in practice: 1.2.840.…
    .replaceAll(/\d+(\.\d+){2,}/g, hidden)
    .replaceAll(/\bBearer\s+\S+|\bya29\.\S+/gi, hidden)
    // Longer than a project's id, permission's or service's parts are: keys, tokens, and the parts of a JWT.
    .replaceAll(/[\w~+=-]{32,}/g, hidden)
  // A service that fails may quote what it failed on.
  if (status >= 500 || status === 408) text = withoutQuotations(text)
  return shortened(text.replaceAll(/…(\s*…)+/g, hidden).trim())
}

function visible(text: string): string {
  return text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[\p{Cc}\p{Cf}]/gu, '')
    .normalize('NFC')
}

/** Names of patients, dates, numbers; resources' names stay. An apostrophe in a word begins no quotation. */
function withoutQuotations(text: string): string {
  return text
    .replaceAll(/(?<![\p{L}\p{N}])(["'`])(.*?)\1(?![\p{L}\p{N}])/gu, (whole, mark, quoted) =>
      /^(projects\/|https:\/\/|healthcare\.)/.test(quoted) ? whole : `${mark}${hidden}${mark}`,
    )
    .replaceAll(/\d{6,}/g, hidden)
}

/** What a client put into its query and path, as it is and percent-encoded, as patterns; the longest first. */
function clientValues(path: string): RegExp[] {
  const [resource = '', query = ''] = path.split(/\?(.*)/s)
  const inQuery = query.split('&').flatMap((pair) => valuesIn(pair.slice(pair.indexOf('=') + 1)))
  const inPath = (resource.split('/dicomWeb/')[1] ?? '').split('/').filter((segment) => /\d/.test(segment))
  const values = [...new Set([...inQuery, ...inPath])].filter((value) => value !== '')
  return values.sort((one, other) => other.length - one.length).map(patternOf)
}

/** A value whole, and its parts: of `Doe^John*` Google may have looked for `Doe`. */
function valuesIn(encoded: string): string[] {
  const decoded = visible(decodeURIComponent(encoded.replaceAll('+', ' '))).trim()
  return [encoded, decoded, ...decoded.split(/[\s^=*?\\,-]+/)]
}

/** Short values are hidden where they stand alone: an `a` can't be taken out of every word. */
function patternOf(value: string): RegExp {
  const literal = value.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
  const isShort = value.length < 4
  return new RegExp(isShort ? `(?<![\\p{L}\\p{N}])${literal}(?![\\p{L}\\p{N}])` : literal, 'giu')
}

function shortened(text: string): string {
  const characters = [...text]
  return characters.length <= longest ? text : `${characters.slice(0, longest - 1).join('')}${hidden}`
}
