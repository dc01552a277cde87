export interface NetworkFailure {
  /** The system's or library's name of the failure, if it has one. */
  readonly code: string | undefined
  /** `invalid`: something responded, but not as it should. */
  readonly kind: 'tls' | 'timeout' | 'reset' | 'unreachable' | 'invalid'
  /** Whether another attempt brings the same, or does harm. */
  readonly isPermanent?: boolean
  /** A clause that ends a sentence like "Google can't be reached: …". */
  readonly problem: string
  /** What to do, a sentence. */
  readonly remedy: string
}

type Known = Omit<NetworkFailure, 'code'>

const refused: Known = {
  kind: 'unreachable',
  problem: 'the connection was refused',
  remedy: 'Check the firewall, or set HttpProxy.',
}
const noName: Known = {
  kind: 'unreachable',
  problem: 'its name could not be resolved',
  remedy: 'Check the name server of this machine, or set HttpProxy.',
}
const noRoute: Known = {
  kind: 'unreachable',
  problem: 'there is no route to it',
  remedy: 'Check the network of this machine.',
}
const other: Known = {
  kind: 'unreachable',
  problem: 'the connection failed',
  remedy: 'Check the firewall and the outgoing proxy.',
}
const closed: Known = {
  kind: 'reset',
  problem: 'the connection was closed',
  remedy: 'Check the firewall and the outgoing proxy.',
}
const tooSlow: Known = {
  kind: 'timeout',
  problem: 'it did not respond in time',
  remedy: 'Check the firewall and the outgoing proxy, or raise the timeout.',
}
const noConnection: Known = {
  kind: 'timeout',
  problem: 'no connection was made in time',
  remedy: 'Check the firewall, set HttpProxy if an outgoing proxy is required, or raise Timeouts.Connect.',
}
const slowTunnel: Known = {
  kind: 'timeout',
  problem: 'the outgoing proxy did not respond in time',
  remedy: 'Check HttpProxy and the outgoing proxy, or raise Timeouts.Connect.',
}
const notTrusted: Known = {
  kind: 'tls',
  problem: 'its certificate is not trusted',
  remedy: 'If your network inspects TLS, name its CA in HttpsCACertificates.',
}
const noProxy: Known = {
  kind: 'invalid',
  problem: "the outgoing proxy's response is not HTTP",
  remedy: 'Check HttpProxy, and what listens at that address.',
}
const checkAddress = 'Check its address, and the outgoing proxy.'
const noHttp: Known = { kind: 'invalid', problem: 'its response is not valid HTTP', remedy: checkAddress }
const tooLarge: Known = { kind: 'invalid', problem: 'its response is larger than expected', remedy: checkAddress }
const compressed: Known = {
  kind: 'invalid',
  problem: 'its response is compressed, which the request rules out',
  remedy: checkAddress,
}

const failures: Readonly<Record<string, Known>> = {
  ENOTFOUND: noName,
  EAI_AGAIN: noName,
  ECONNREFUSED: refused,
  ENETUNREACH: noRoute,
  EHOSTUNREACH: noRoute,
  ECONNRESET: closed,
  EPIPE: closed,
  UND_ERR_SOCKET: closed,
  // undici's word for a body that stopped before its Content-Length.
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: closed,
  ERR_CONNECT_TIMEOUT: noConnection,
  ERR_TUNNEL_TIMEOUT: slowTunnel,
  UND_ERR_HEADERS_TIMEOUT: tooSlow,
  UND_ERR_BODY_TIMEOUT: tooSlow,
  // Of an established connection, to which the other side has become silent.
  ETIMEDOUT: tooSlow,
  TimeoutError: tooSlow,
  ERR_TUNNEL_RESPONSE: noProxy,
  UND_ERR_HEADERS_OVERFLOW: noHttp,
  HTTPParserError: noHttp,
  ERR_INTERIM_RESPONSES: noHttp,
  ERR_RESPONSE_STATUS: noHttp,
  ERR_RESPONSE_TOO_LARGE: tooLarge,
  ERR_RESPONSE_COMPRESSED: compressed,
}

/** Tells why a connection of `node:http`, undici or `fetch` failed. */
export function networkFailureOf(error: unknown): NetworkFailure {
  const { code, status } = innermost(error)
  if (code === 'ERR_TUNNEL_REFUSED') return { code, ...tunnelRefused(status) }
  return { code, ...failureNamed(code ?? '') }
}

/** By the status of an outgoing proxy's response to CONNECT. */
function tunnelRefused(status: number | undefined): Known {
  const problem = `the outgoing proxy refused the connection${status === undefined ? '' : ` (status ${status})`}`
  return { kind: 'unreachable', problem, remedy: tunnelRemedy(status), isPermanent: isPermanent(status) }
}

/** Repeated attempts with a wrong password lock accounts. */
function isPermanent(status = 0): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429
}

function tunnelRemedy(status: number | undefined): string {
  if (status === 407) return 'Check HttpProxy, its user name and its password.'
  if (status === 403) return 'Ask the administrator of the outgoing proxy (HttpProxy) to allow CONNECT to this address.'
  if (status !== undefined && status >= 500) {
    return "Try again later, and check whether the outgoing proxy reaches this address: its log says why it didn't."
  }
  return "Check HttpProxy, and the outgoing proxy's log."
}

function failureNamed(code: string): Known {
  if (/CERT|SELF_SIGNED|UNABLE_TO|^ERR_TLS|^ERR_SSL|^EPROTO/.test(code)) return notTrusted
  // Node and undici name what their parsers refuse by llhttp's names.
  return failures[code] ?? (code.startsWith('HPE_') ? noHttp : other)
}

/**
 * Libraries wrap the reason in layers of `cause`, and attempts at several addresses in `errors`.
 */
function innermost(error: unknown): { code: string | undefined; status: number | undefined } {
  let code: string | undefined
  let status: number | undefined
  let at = error
  for (let depth = 0; depth < 8 && typeof at === 'object' && at !== null; depth++) {
    const layer = at as { code?: unknown; name?: unknown; status?: unknown; cause?: unknown; errors?: unknown[] }
    if (typeof layer.code === 'string') code = layer.code
    // Some errors have a name only.
    else if (layer.name === 'TimeoutError' || layer.name === 'HTTPParserError') code = layer.name
    if (typeof layer.status === 'number') status = layer.status
    at = layer.cause ?? layer.errors?.[0]
  }
  return { code, status }
}
