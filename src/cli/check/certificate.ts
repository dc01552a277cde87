import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:tls'

/** Of a server's certificate, what tells a person where it is from. */
export interface SeenCertificate {
  /** Who signed it: organization and name. */
  readonly issuer: string
  readonly validFrom: Date
  readonly validTo: Date
}

/**
 * Looks at the certificate that a server shows, trusted or not; nothing is sent to it. Null if it
 * shows none in time.
 *
 * @param connection to it
 * @param timeout milliseconds
 */
export async function seenCertificate(url: URL, connection: Socket, timeout: number): Promise<SeenCertificate | null> {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const servername = /^[\d.]+$|:/.test(host) ? {} : { servername: host }
  const socket = connect({ socket: connection, ...servername, rejectUnauthorized: false })
  socket.on('error', () => undefined)
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(timeout) })
    const certificate = socket.getPeerX509Certificate()
    if (!certificate) return null
    const { issuer, validFromDate, validToDate } = certificate
    return { issuer: shortName(issuer), validFrom: validFromDate, validTo: validToDate }
  } catch {
    return null
  } finally {
    socket.destroy()
  }
}

/** `O=Example\nCN=Example CA` as `Example CA (Example)`. */
function shortName(issuer: string): string {
  const lines = issuer.split('\n')
  const part = (name: string) => lines.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1)
  const [commonName, organization] = [part('CN'), part('O')]
  const text = commonName && organization ? `${commonName} (${organization})` : (commonName ?? organization ?? 'nobody')
  return text.replaceAll(/[^\p{L}\p{N}\p{P}\p{Zs}]/gu, '').slice(0, 100)
}
