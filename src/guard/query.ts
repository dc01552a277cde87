import type { DicomWebService } from '../config/settings.ts'
import { type Explanation, ProxyError } from '../errors.ts'

/** Parameters of PS3.18 8.3: of every transaction, of searches, of rendering. */
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
 * Attributes to match, by keyword or tag, also inside sequences: `PatientName`, `00100010`, `RequestAttributesSequence.00400009`.
 * A tag that begins with a capital letter has the form of a keyword, and is read as one: if a part fitted both, an engine that
 * backtracks would try each way to read each part.
 */
const attributePath =
  /^(?:[A-Z][A-Za-z0-9]*|[0-9a-f][0-9A-Fa-f]{7})(?:\.(?:[A-Z][A-Za-z0-9]*|[0-9a-f][0-9A-Fa-f]{7}))*$/

/**
 * Parameters that every Google API takes (https://cloud.google.com/apis/docs/system-parameters), in lower case: some
 * carry credentials, others change what the answer is. The rules above let none of them through as Google spells them;
 * this list keeps it so for `Key` or `Fields`, which have the form of a DICOM keyword. The last five are older ones.
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

/** A name or value that means itself, however it is encoded; most do. */
const plain = /^[\w.~-]*$/

/**
 * The query to send, built anew from its parameters: with its question mark, or empty. Throws a ProxyError for a
 * parameter that is not one of this service's. Values keep their meaning; their encoding is made canonical.
 */
export function allowedQuery(service: DicomWebService, query: string): string {
  if (query === '') return ''
  const pairs = query.split('&').filter((pair) => pair !== '')
  const built = pairs.map((pair) => allowedPair(service, pair)).join('&')
  return built && `?${built}`
}

function allowedPair(service: DicomWebService, pair: string): string {
  const equals = pair.indexOf('=')
  const name = decode(equals === -1 ? pair : pair.slice(0, equals))
  if (!isAllowed(service, name)) throw new ProxyError('query-not-allowed', refusal(service, name))
  return equals === -1 ? name : `${name}=${recode(pair.slice(equals + 1))}`
}

function isAllowed(service: DicomWebService, name: string): boolean {
  if (googleParameters.has(name.toLowerCase())) return false
  return parameters[service].has(name) || (service === 'QIDO-RS' && attributePath.test(name))
}

/** The name is shown only when it is a plain word: anything else could be a value, and so about a patient. */
function refusal(service: DicomWebService, name: string): Explanation {
  const which = /^[\w$.]{1,40}$/.test(name) ? `The query parameter "${name}"` : 'A query parameter'
  return { problem: `${which} is not one of ${service}.`, remedy: 'Remove it.' }
}

/**
 * A plus stands for a space in a query and must stay one; a semicolon separates parameters for some servers. The
 * apostrophe is what URL parsers encode besides (https://url.spec.whatwg.org/#special-query-percent-encode-set).
 */
function recode(value: string): string {
  if (plain.test(value)) return value
  return value
    .split('+')
    .map((part) => encodeURIComponent(decode(part)).replaceAll("'", '%27'))
    .join('+')
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
