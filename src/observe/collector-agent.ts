import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { Duplex } from 'node:stream'
import { UnacceptableResponse } from '../small-response.ts'

/**
 * PEM: the CA of the collector's certificate, and the proxy's certificate and key for collectors
 * that require one.
 */
export interface CollectorCertificates {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/**
 * Limit for everything that a collector sends on one connection. OTLP responses are almost empty.
 */
const maxReceivedBytes = 64 * 1024

/**
 * One connection per batch of spans, limited in bytes and duration. The exporter itself reads up to
 * 4 MiB, which takes hundreds of MiB in one-byte chunks, and has no time limit.
 */
export function collectorAgent(protocol: string, certificates: CollectorCertificates, maxLifeMs: number): HttpAgent {
  return protocol === 'https:' ? new SecureCollectorAgent(certificates, maxLifeMs) : new PlainCollectorAgent(maxLifeMs)
}

type Options<Agent extends HttpAgent> = Parameters<Agent['createConnection']>[0]

class PlainCollectorAgent extends HttpAgent {
  readonly #maxLifeMs: number

  constructor(maxLifeMs: number) {
    super()
    this.#maxLifeMs = maxLifeMs
  }

  override createConnection(options: Options<HttpAgent>): Duplex | null | undefined {
    return bounded(super.createConnection(options), this.#maxLifeMs)
  }
}

class SecureCollectorAgent extends HttpsAgent {
  readonly #maxLifeMs: number

  constructor(certificates: CollectorCertificates, maxLifeMs: number) {
    super(certificates)
    this.#maxLifeMs = maxLifeMs
  }

  override createConnection(options: Options<HttpsAgent>): Duplex | null | undefined {
    return bounded(super.createConnection(options), this.#maxLifeMs)
  }
}

function bounded<Socket extends Duplex | null | undefined>(socket: Socket, maxLifeMs: number): Socket {
  if (!socket) return socket
  const ending = setTimeout(() => socket.destroy(new DOMException('Not within the time', 'TimeoutError')), maxLifeMs)
  ending.unref()
  socket.once('close', () => clearTimeout(ending))
  let received = 0
  socket.on('data', ({ length }: Buffer) => {
    received += length
    if (received > maxReceivedBytes) socket.destroy(new UnacceptableResponse('ERR_RESPONSE_TOO_LARGE'))
  })
  return socket
}
