import type { DicomWebService } from '../config/settings.ts'
import { nearest } from '../config/suggestion.ts'
import { type Explanation, ProxyError } from '../errors.ts'
import { attributeKeywords } from './attributes.ts'
import type { Resource } from './resource.ts'
import { searchLevelOf } from './searchable.ts'
import { replaceUniversalKeys, type SearchParameter } from './universal-keys.ts'

/** Parameters of PS3.18 8.3: common ones, of searches, of rendering. */
const common = ['accept', 'charset']
const parameters: Readonly<Record<DicomWebService, ReadonlySet<string>>> = {
  'QIDO-RS': new Set([
    ...common,
    'includefield',
    'fuzzymatching',
    'emptyvaluematching',
    'multiplevaluematching',
    'limit',
    'offset',
  ]),
  'WADO-RS': new Set([...common, 'annotation', 'quality', 'viewport', 'window', 'iccprofile', 'includefield']),
  'STOW-RS': new Set(common),
  DELETE: new Set(common),
}

/**
 * Attributes to match, by keyword or tag, also inside sequences: `PatientName`, `00100010`,
 * `RequestAttributesSequence.00400009`. A tag that begins with a letter has the form of a keyword,
 * and is read as one: if a part matched both, a backtracking engine would try every combination.
 */
const attributePath =
  /^(?:[A-Z][A-Za-z0-9]*|[0-9a-f][0-9A-Fa-f]{7})(?:\.(?:[A-Z][A-Za-z0-9]*|[0-9a-f][0-9A-Fa-f]{7}))*$/

/**
 * Parameters of every Google API (https://cloud.google.com/apis/docs/system-parameters), in lower
 * case. Some carry credentials, others change the response. The rules above reject them as Google
 * spells them; this list also covers spellings like `Key` or `Fields`, which look like DICOM
 * keywords. The last five are older ones.
 */
const googleParameters = new Set([
  'access_token',
  'oauth_token',
  'key',
  'quotauser',
  'userip',
  'callback',
  'alt',
  'fields',
  'prettyprint',
  'uploadtype',
  'upload_protocol',
  '$.xgafv',
  'userproject',
  'passphrase',
  'bearer_token',
  'pp',
  'trace',
])

/** A name or value without characters that need encoding, as most are. */
const plain = /^[\w.~-]*$/

/**
 * What is encoded of a value that isn't. RFC 3986 3.4 allows some of these unencoded: but ampersand
 * and equals sign separate parameters, names and values, and so does the semicolon on some servers;
 * a second question mark may pass for the first; and URL parsers encode the apostrophe
 * (https://url.spec.whatwg.org/#special-query-percent-encode-set).
 */
const needsEncoding = /[^\w.~!$()*+,/:@%-]/g

/**
 * Builds the query to send, with its question mark, or empty. Throws a ProxyError for a parameter
 * that the service doesn't have. Names become canonical, values keep their spelling. Of a search,
 * keys without a value are replaced.
 */
export function allowedQuery({ service, route }: Resource, query: string): string {
  if (query === '') return ''
  const parameters = parametersIn(service, query)
  const isSearch = service === 'QIDO-RS'
  const sent = isSearch ? replaceUniversalKeys(parameters, searchLevelOf(route)) : parameters.map(({ sent }) => sent)
  return sent.length === 0 ? '' : `?${sent.join('&')}`
}

/** The parameters of a search, those without a value among them. Throws as {@link allowedQuery}. */
export function searchParameters(query: string): SearchParameter[] {
  return parametersIn('QIDO-RS', query)
}

function parametersIn(service: DicomWebService, query: string): SearchParameter[] {
  const pairs = query.split('&').filter((pair) => pair !== '')
  return pairs.map((pair) => allowedParameter(service, pair))
}

function allowedParameter(service: DicomWebService, pair: string): SearchParameter {
  const equals = pair.indexOf('=')
  const name = decode(equals === -1 ? pair : pair.slice(0, equals))
  if (!isAllowed(service, name)) throw new ProxyError('query-not-allowed', refusal(service, name))
  const isKey = !parameters[service].has(name)
  if (equals === -1) return { name, value: '', sent: name, isKey }
  const value = respell(pair.slice(equals + 1))
  return { name, value, sent: `${name}=${value}`, isKey }
}

function isAllowed(service: DicomWebService, name: string): boolean {
  if (googleParameters.has(name.toLowerCase())) return false
  return parameters[service].has(name) || (service === 'QIDO-RS' && attributePath.test(name))
}

/** Shows only plain names: anything else could be a value, and so patient data. */
function refusal(service: DicomWebService, name: string): Explanation {
  const isShown = /^[\w$.]{1,40}$/.test(name)
  const which = isShown ? `The query parameter "${name}"` : 'A query parameter'
  const meant = isShown && !isOwnWord(name) ? nearest(name, namesFor(service)) : undefined
  return {
    problem: `${which} is not one of ${service}.`,
    remedy:
      meant === undefined ? 'Remove it.' : `Did you mean "${meant}"? Names are case-sensitive. If not, remove it.`,
  }
}

function namesFor(service: DicomWebService): readonly string[] {
  return [...parameters[service], ...(service === 'QIDO-RS' ? attributeKeywords : [])]
}

const ownWords: ReadonlySet<string> = new Set([
  ...Object.values(parameters).flatMap((names) => [...names]),
  ...googleParameters,
  ...attributeKeywords,
])

/** Whether a text is a name from our tables, and so nothing that only a client knows. */
export function isOwnWord(text: string): boolean {
  return ownWords.has(text)
}

/**
 * In the client's own spelling: servers differ in what they decode, and a plus means a space only
 * as long as it stays one.
 */
function respell(value: string): string {
  if (plain.test(value)) return value
  for (const part of value.split('+')) decode(part)
  return value.replace(needsEncoding, encode)
}

function encode(character: string): string {
  return character === "'" ? '%27' : encodeURIComponent(character)
}

function decode(text: string): string {
  if (plain.test(text)) return text
  let decoded: string
  try {
    decoded = decodeURIComponent(text)
  } catch {
    throw new ProxyError('malformed-request', {
      problem: 'The query is not percent-encoded UTF-8.',
      remedy: 'Encode its names and values.',
    })
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f]/.test(decoded))
    throw new ProxyError('malformed-request', {
      problem: 'The query contains control characters.',
      remedy: 'Remove them.',
    })
  return decoded
}
