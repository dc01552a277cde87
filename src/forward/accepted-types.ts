/** DICOM JSON has two names in use. */
const dicomJson = 'application/dicom+json'
const json = 'application/json'

/** What covers DICOM JSON, the most specific first: it decides (RFC 9110 12.5.1). */
const ranges = [dicomJson, 'application/*', '*/*']

/**
 * Whether a response in DICOM JSON satisfies an Accept header. Parameters other than the weight are
 * not considered.
 */
export function acceptsDicomJson(accept: string | undefined): boolean {
  const weights = weightsOf(accept ?? '')
  // Without a media range, all is acceptable.
  if (weights.size === 0 || (weights.get(json) ?? 0) > 0) return true
  const decisive = ranges.find((range) => weights.has(range))
  return decisive !== undefined && (weights.get(decisive) ?? 0) > 0
}

/** Whether an Accept-Encoding header asks for gzip (RFC 9110 12.5.3). */
export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  const weights = weightsOf(acceptEncoding ?? '')
  const decisive = ['gzip', 'x-gzip', '*'].find((coding) => weights.has(coding))
  return decisive !== undefined && (weights.get(decisive) ?? 0) > 0
}

/** A parameter of a media type, without its quotes; empty if there is none. */
export function parameterOf(mediaType: string, name: string): string {
  const parameters = splitUnquoted(mediaType, ';').slice(1)
  const found = parameters.map((text) => text.trim()).find((text) => text.toLowerCase().startsWith(`${name}=`))
  const value = found?.slice(name.length + 1) ?? ''
  return value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1).replaceAll(/\\(.)/gs, '$1') : value
}

/** By media range or coding; the greatest of one that is there more than once. */
function weightsOf(accept: string): Map<string, number> {
  const weights = new Map<string, number>()
  for (const item of splitUnquoted(accept, ',')) {
    const [range = '', ...parameters] = splitUnquoted(item, ';').map((part) => part.trim().toLowerCase())
    if (range !== '') weights.set(range, Math.max(weights.get(range) ?? 0, weightOf(parameters)))
  }
  return weights
}

function weightOf(parameters: readonly string[]): number {
  const weight = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1)
  return Number.isNaN(weight) ? 1 : weight
}

/** Splits at a separator that is not in a quoted string (RFC 9110 5.6.4). */
function splitUnquoted(text: string, separator: string): string[] {
  const parts: string[] = []
  let from = 0
  let quoted = false
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]
    if (character === '"') quoted = !quoted
    else if (quoted && character === '\\') at += 1
    else if (!quoted && character === separator) {
      parts.push(text.slice(from, at))
      from = at + 1
    }
  }
  parts.push(text.slice(from))
  return parts
}
