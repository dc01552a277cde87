import { canonicalText, fold } from './canonical-text.ts'
import { occurrences } from './occurrences.ts'

const maxCharacters = 300
const hidden = '…'
/**
 * Shorter values are only hidden where they stand alone: an `a` can't be removed from every word.
 */
const minCharacters = 4

/**
 * Google's message about a refusal, made fit for logs: it has no UID, nothing that the client put
 * into the request's query or path, and nothing that could be a secret. It keeps too little of the
 * message rather than too much.
 *
 * @param path path and query that were sent to Google
 */
export function redactMessage(message: string, status: number, path: string): string {
  // This comes first: otherwise a value could hide behind a character that is removed later.
  let text = withoutValues(visible(message), clientValues(path))
    // UIDs have at least three components in practice: 1.2.840.…
    .replaceAll(/(?<!\d)\d+(\.\d+){2,}/g, hidden)
    .replaceAll(/\bBearer\s+\S+|\bya29\.\S+/gi, hidden)
    // Longer than the parts of project ids, permissions and services: keys, tokens, and the parts
    // of a JWT.
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

/**
 * Hides each of the values wherever it stands, in either case, and however it is percent-encoded. A
 * request may bring thousands of values, so they are searched for together.
 */
function withoutValues(text: string, values: readonly string[]): string {
  if (values.length === 0) return text
  const characters = [...text]
  const covered = coverage(characters.map(fold), values.map(foldAll))
  const { characters: decoded, origins } = canonicalText(characters)
  coverage(decoded, values.map(canonical)).forEach((isCovered, at) => {
    if (isCovered) covered.fill(true, origins[at], origins[at + 1] ?? characters.length)
  })
  return characters.map((character, at) => (covered[at] ? hidden : character)).join('')
}

/** For each character of the text, whether it is a part of a value. */
function coverage(text: readonly string[], values: readonly (readonly string[])[]): boolean[] {
  const covered = occurrences(
    text,
    values.filter(({ length }) => length >= minCharacters),
  )
  const short = values.filter(({ length }) => length > 0 && length < minCharacters)
  coverAlone(text, new Set(short.map((value) => value.join(''))), covered)
  return covered
}

function foldAll(text: string): string[] {
  return Array.from(text, fold)
}

function canonical(value: string): readonly string[] {
  const { characters } = canonicalText([...value.trim()])
  return characters.length === 1 && characters[0] === ' ' ? [] : characters
}

/** Text between characters of words is no value of its own. */
function coverAlone(text: readonly string[], values: ReadonlySet<string>, covered: boolean[]): void {
  const isOfWord = text.map((character, at) => !covered[at] && /[\p{L}\p{N}]/u.test(character))
  for (const start of text.keys()) {
    for (let end = start + 1; end < start + minCharacters && end <= text.length && !isOfWord[start - 1]; end += 1) {
      if (!isOfWord[end] && values.has(text.slice(start, end).join(''))) covered.fill(true, start, end)
    }
  }
}

/**
 * Hides quoted names of patients, dates and numbers; resources' names stay. An apostrophe in a word
 * begins no quotation. A single expression won't do: each mark that may begin a quotation would
 * search for its end again.
 */
function withoutQuotations(text: string): string {
  const parts: string[] = []
  let done = 0
  for (const { start, end } of quotations(text)) {
    if (start < done) continue
    const quoted = text.slice(start + 1, end)
    const isResource = /^(projects\/|https:\/\/|healthcare\.)/.test(quoted)
    parts.push(text.slice(done, start + 1), isResource ? quoted : hidden, text.charAt(end))
    done = end + 1
  }
  return [...parts, text.slice(done)].join('').replaceAll(/\d{6,}/g, hidden)
}

/**
 * The ranges from each mark that may begin a quotation to the next of its kind that may end one, in
 * the order of the text.
 */
function quotations(text: string): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = []
  const ends = new Map<string, number>()
  for (const { 0: mark, index: at } of [...text.matchAll(/["'`]/g)].reverse()) {
    const end = ends.get(mark)
    if (end !== undefined && !/[\p{L}\p{N}]$/u.test(characterBefore(text, at))) found.push({ start: at, end })
    if (!/^[\p{L}\p{N}]/u.test(characterAfter(text, at))) ends.set(mark, at)
  }
  return found.reverse()
}

/** Two code units, in which an astral character has room. */
function characterBefore(text: string, at: number): string {
  return text.slice(Math.max(0, at - 2), at)
}

function characterAfter(text: string, at: number): string {
  return text.slice(at + 1, at + 3)
}

/** The values that a client put into its query and path, as they are and percent-encoded. */
function clientValues(path: string): string[] {
  const [resource = '', query = ''] = path.split(/\?(.*)/s)
  const inQuery = query.split('&').flatMap((pair) => valuesIn(pair.slice(pair.indexOf('=') + 1)))
  const inPath = (resource.split('/dicomWeb/')[1] ?? '').split('/').filter((segment) => /\d/.test(segment))
  return [...new Set([...inQuery, ...inPath])].filter((value) => value !== '')
}

/** A value as a whole, and its parts: Google may have searched for `Doe` of `Doe^John*`. */
function valuesIn(encoded: string): string[] {
  // Most values are plain, and there may be thousands.
  if (/^\w*$/.test(encoded)) return [encoded]
  const decoded = visible(decodeURIComponent(encoded.replaceAll('+', ' '))).trim()
  return [encoded, decoded, ...decoded.split(/[\s^=*?\\,;:/@()+&-]+/)]
}

function shortened(text: string): string {
  const characters = [...text]
  return characters.length <= maxCharacters ? text : `${characters.slice(0, maxCharacters - 1).join('')}${hidden}`
}
