/**
 * A media type or media range with its parameters (RFC 9110, 8.3.1 and 12.5.1), all names in lower
 * case.
 */
export interface MediaType {
  /** `type/subtype`, in lower case. */
  readonly type: string
  readonly parameters: Readonly<Record<string, string>>
}

// A parameter's value is a token or a quoted string. Orthanc leaves a boundary unquoted that is no
// token, and `*` is a value of transfer-syntax: so anything up to the next separator is taken.
const parameter = /;\s*([^\s=;,]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,]*))/g

export function parseMediaType(text: string | undefined): MediaType {
  const source = text ?? ''
  const parameters: Record<string, string> = {}
  for (const [, name = '', quoted, token] of source.matchAll(parameter)) {
    parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? token ?? ''
  }
  return { type: (source.split(';')[0] ?? '').trim().toLowerCase(), parameters }
}

/** The media ranges of an Accept field, best first; anything where there is none. */
export function parseAccept(text: string | undefined): MediaType[] {
  const ranges = splitList(text ?? '').map(parseMediaType)
  const sorted = ranges.filter(({ parameters }) => weight(parameters) > 0)
  sorted.sort((a, b) => weight(b.parameters) - weight(a.parameters))
  return text === undefined || ranges.length === 0 ? [{ type: '*/*', parameters: {} }] : sorted
}

/** Whether a range of an Accept field covers a type. */
export function covers(range: MediaType, type: string): boolean {
  return range.type === '*/*' || range.type === type || range.type === `${type.split('/')[0]}/*`
}

/** Whether it covers `multipart/related` with such parts. */
export function coversMultipart(range: MediaType, part: string): boolean {
  if (range.type === '*/*') return true
  const asked = range.parameters.type?.toLowerCase()
  return covers(range, 'multipart/related') && (asked === undefined || asked === part || asked === '*/*')
}

function weight(parameters: Readonly<Record<string, string>>): number {
  const q = Number(parameters.q ?? 1)
  return Number.isNaN(q) ? 0 : q
}

/** Splits at commas outside quoted strings. */
function splitList(text: string): string[] {
  return (text.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? []).map((item) => item.trim()).filter((item) => item !== '')
}
