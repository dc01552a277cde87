const refused = 'the connection is refused: check the firewall, or set HttpProxy'
const noName = 'its name cannot be resolved: check the name server of this machine, or set HttpProxy'
const noRoute = 'there is no route to it: check the network of this machine'
const broken = 'the connection was closed: check the firewall and the outgoing proxy'
const tooSlow = 'it did not answer in time: check the firewall and the outgoing proxy, or raise the timeout'
const noProxy = 'what the outgoing proxy answers cannot be read: check HttpProxy, and what listens at its address'
const noHttp = 'its response is not HTTP as it should be: check its address, and the outgoing proxy'
const tooLarge = 'its response is larger than any that is expected: check its address, and the outgoing proxy'
const compressed = 'its response is compressed, which the request rules out: check its address, and the outgoing proxy'
const noTunnel = 'the outgoing proxy refuses: check HttpProxy, its user and its password'

const sentences: Record<string, string> = {
  ENOTFOUND: noName,
  EAI_AGAIN: noName,
  ECONNREFUSED: refused,
  ENETUNREACH: noRoute,
  EHOSTUNREACH: noRoute,
  ECONNRESET: broken,
  EPIPE: broken,
  UND_ERR_SOCKET: broken,
  // undici's word for a body that stopped before its Content-Length.
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: broken,
  UND_ERR_CONNECT_TIMEOUT: tooSlow,
  UND_ERR_HEADERS_TIMEOUT: tooSlow,
  UND_ERR_BODY_TIMEOUT: tooSlow,
  ETIMEDOUT: tooSlow,
  TimeoutError: tooSlow,
  ERR_TUNNEL_REFUSED: noTunnel,
  ERR_TUNNEL_RESPONSE: noProxy,
  // undici's word for a CONNECT that was answered otherwise than by 200.
  UND_ERR_ABORTED: noTunnel,
  UND_ERR_HEADERS_OVERFLOW: noHttp,
  HTTPParserError: noHttp,
  ERR_INTERIM_RESPONSES: noHttp,
  ERR_RESPONSE_STATUS: noHttp,
  ERR_RESPONSE_TOO_LARGE: tooLarge,
  ERR_RESPONSE_COMPRESSED: compressed,
}

const kinds: Readonly<Record<string, NetworkFailure['kind']>> = {
  [tooSlow]: 'timeout',
  [broken]: 'reset',
  [noProxy]: 'invalid',
  [noHttp]: 'invalid',
  [tooLarge]: 'invalid',
  [compressed]: 'invalid',
}

export interface NetworkFailure {
  /** The system's or library's name of the failure, where it has one. */
  readonly code: string | undefined
  /** `invalid`: something answered, but not as it should. */
  readonly kind: 'tls' | 'timeout' | 'reset' | 'unreachable' | 'invalid'
  /** What happened and what to do; continues a sentence like "Google cannot be reached: …". */
  readonly reason: string
}

/** Reads what a failed connection, of `node:http`, undici or `fetch`, was about. */
export function networkFailureOf(error: unknown): NetworkFailure {
  const code = innermostCode(error)
  if (code && /CERT|SELF_SIGNED|UNABLE_TO|^ERR_TLS|^ERR_SSL|^EPROTO/.test(code)) {
    const reason =
      'its certificate is not trusted: if your network inspects TLS, name its authority in HttpsCACertificates'
    return { code, kind: 'tls', reason }
  }
  const reason = (code && sentenceFor(code)) || 'the connection failed: check the firewall and the outgoing proxy'
  return { code, kind: kinds[reason] ?? 'unreachable', reason }
}

/** Node and undici name what their parsers refuse by llhttp's names. */
function sentenceFor(code: string): string | undefined {
  return sentences[code] ?? (code.startsWith('HPE_') ? noHttp : undefined)
}

/** Libraries wrap the reason in layers of `cause`, and tries of several addresses in `errors`. */
function innermostCode(error: unknown): string | undefined {
  let code: string | undefined
  let at = error
  for (let depth = 0; depth < 8 && typeof at === 'object' && at !== null; depth++) {
    const layer = at as { code?: unknown; name?: unknown; cause?: unknown; errors?: unknown[] }
    if (typeof layer.code === 'string') code = layer.code
    // Some errors have a name only.
    else if (layer.name === 'TimeoutError' || layer.name === 'HTTPParserError') code = layer.name
    at = layer.cause ?? layer.errors?.[0]
  }
  return code
}
