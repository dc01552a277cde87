const refused = 'the connection is refused: check the firewall, or set HttpProxy'
const noName = 'its name cannot be resolved: check the name server of this machine, or set HttpProxy'
const noRoute = 'there is no route to it: check the network of this machine'
const broken = 'the connection was closed: check the firewall and the outgoing proxy'
const tooSlow = 'it did not answer in time: check the firewall and the outgoing proxy, or raise the timeout'
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
  UND_ERR_CONNECT_TIMEOUT: tooSlow,
  UND_ERR_HEADERS_TIMEOUT: tooSlow,
  UND_ERR_BODY_TIMEOUT: tooSlow,
  ETIMEDOUT: tooSlow,
  TimeoutError: tooSlow,
  ERR_PROXY_TUNNEL: noTunnel,
  // undici's word for a CONNECT that was answered otherwise than by 200.
  UND_ERR_ABORTED: noTunnel,
}

export interface NetworkFailure {
  /** The system's or library's name of the failure, where it has one. */
  readonly code: string | undefined
  readonly kind: 'tls' | 'timeout' | 'reset' | 'unreachable'
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
  const reason = (code && sentences[code]) || 'the connection failed: check the firewall and the outgoing proxy'
  return { code, kind: reason === tooSlow ? 'timeout' : reason === broken ? 'reset' : 'unreachable', reason }
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
