import type { DicomWebService } from '../config/settings.ts'
import type { Explanation } from '../errors.ts'
import type { UpstreamHeaders } from '../forward/buffered-response.ts'

const webPage: Explanation = {
  problem: 'The response is a web page, which Google never sends: something on the way has responded instead.',
  remedy: 'Check BaseUrl and the outgoing proxy.',
}
const part: Explanation = {
  problem: 'The response is a part of what was requested: Google could not send the rest (206).',
  remedy: 'Compare it with a search, then request what is missing.',
}
const warned: Explanation = {
  problem: 'The response has a Warning header: it may be a part, or Google ignored something in the request.',
  remedy: 'Read that header in the client, and compare the response with a search.',
}
const unknownUpload: Explanation = {
  problem: 'The response has a status of success, but the proxy can read no stored instance in it.',
  remedy: 'Search for the instances before you delete them anywhere.',
}

/**
 * Why a success by its status may be none, or only a part, by its headers; null if there is no
 * doubt. It passes to the client all the same: the proxy doesn't know either.
 */
export function doubtByHeaders(service: DicomWebService, status: number, headers: UpstreamHeaders): Explanation | null {
  if (status < 200 || status > 299) return null
  // Google's 204 has the type, too, and no page.
  if (status !== 204 && mediaType(headers) === 'text/html') return webPage
  if (service === 'STOW-RS' || service === 'DELETE') return null
  if (headers.warning !== undefined) return warned
  // What the client itself has requested as a range says so (RFC 9110 15.3.7).
  const isRange = headers['content-range'] !== undefined || mediaType(headers) === 'multipart/byteranges'
  return status === 206 && !isRange ? part : null
}

/**
 * The same for an upload whose response has ended.
 *
 * @param doubt by its headers
 * @param isCounted whether its response has named any instance
 */
export function doubtAboutUpload(doubt: Explanation | null, isCounted: boolean): Explanation | null {
  if (isCounted) return null
  if (!doubt) return unknownUpload
  const remedy = `${doubt.remedy} ${unknownUpload.remedy}`
  return { problem: doubt.problem, remedy }
}

function mediaType(headers: UpstreamHeaders): string | undefined {
  return String(headers['content-type'] ?? '')
    .split(';', 1)[0]
    ?.trim()
    .toLowerCase()
}
