import { type ErrorCode, ProxyError } from '../errors.ts'
import { networkFailureOf } from '../network-failure.ts'

const codes = {
  tls: 'upstream-tls',
  timeout: 'upstream-timeout',
  reset: 'upstream-reset',
  unreachable: 'upstream-unreachable',
  invalid: 'upstream-invalid',
} as const satisfies Record<string, ErrorCode>

const noConnection: ReadonlySet<string> = new Set(['ERR_CONNECT_TIMEOUT', 'ERR_TUNNEL_TIMEOUT'])

/** What a connection to Google that failed before a response means to the client. */
export function upstreamFailure(error: unknown): ProxyError {
  if (error instanceof ProxyError) return error
  const { code, kind, problem, remedy, isPermanent } = networkFailureOf(error)
  const named = code ? ` (${code})` : ''
  if (
    code &&
    /^HPE_|^HTTPParserError|^UND_ERR_(HEADERS_OVERFLOW|RES_CONTENT_LENGTH)|^ERR_ASSERTION|^ERR_(HTTP_)?INVALID/.test(
      code,
    )
  ) {
    const invalid = {
      problem: `The response is not valid HTTP${named}.`,
      remedy: 'Check the outgoing proxy and BaseUrl.',
    }
    return new ProxyError('upstream-invalid', invalid, { cause: error })
  }
  // No connection at all is unreachable, however long that took to find out.
  const found = code && noConnection.has(code) ? 'upstream-unreachable' : codes[kind]
  const explanation = { problem: `Google's DICOM store did not respond: ${problem}${named}.`, remedy }
  return new ProxyError(found, explanation, { cause: error, isPermanent })
}
