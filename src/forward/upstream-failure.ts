import { type ErrorCode, ProxyError } from '../errors.ts'
import { networkFailureOf } from '../network-failure.ts'

const codes = {
  tls: 'upstream-tls',
  timeout: 'upstream-timeout',
  reset: 'upstream-reset',
  unreachable: 'upstream-unreachable',
  invalid: 'upstream-invalid',
} as const satisfies Record<string, ErrorCode>

/** What a connection to Google that failed before a response means to the client. */
export function upstreamFailure(error: unknown): ProxyError {
  if (error instanceof ProxyError) return error
  const { code, kind, reason } = networkFailureOf(error)
  const named = code ? ` (${code})` : ''
  if (
    code &&
    /^HPE_|^HTTPParserError|^UND_ERR_(HEADERS_OVERFLOW|RES_CONTENT_LENGTH)|^ERR_ASSERTION|^ERR_(HTTP_)?INVALID/.test(
      code,
    )
  ) {
    const detail = `What came back is not HTTP as it should be${named}: check the outgoing proxy and BaseUrl.`
    return new ProxyError('upstream-invalid', detail, { cause: error })
  }
  // No connection at all is unreachable, however long that took to find out.
  const found = code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT' ? 'upstream-unreachable' : codes[kind]
  return new ProxyError(found, `Google's DICOM store gave no answer: ${reason}${named}.`, { cause: error })
}
