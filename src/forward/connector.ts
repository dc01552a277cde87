import { isIP, type Socket } from 'node:net'
import { connect as connectTls, type SecureContext } from 'node:tls'
import { outgoingProxyFor } from '../config/outgoing-proxy.ts'
import type { OutgoingSettings } from '../config/settings.ts'
import { addressOf, dial, type Resolve } from './dial.ts'
import { openTunnel, type Reach, tunnelRefused } from './tunnel.ts'

export interface ConnectorOptions {
  readonly outgoing: OutgoingSettings
  readonly secureContext: SecureContext
  readonly resolve: Resolve
}

/** No connection within `Timeouts.Connect`. `code` is for `networkFailureOf`. */
class ConnectTimeout extends Error {
  readonly code = 'ERR_CONNECT_TIMEOUT'
}

/**
 * Makes every outgoing connection, for both transports: name, outgoing proxy, TCP and TLS, all
 * within `Timeouts.Connect`. What it hands over is ready to be used.
 */
export class Connector {
  readonly #options: ConnectorOptions
  /** End the attempts that are being made. */
  readonly #endings = new Set<AbortController>()
  /** TLS sessions to resume, by `host:port`. */
  readonly #sessions = new Map<string, Buffer>()

  constructor(options: ConnectorOptions) {
    this.#options = options
  }

  /** By way of the outgoing proxy, if one leads there. */
  open(url: URL): Promise<Socket> {
    // Without TLS, a proxy takes the request itself.
    const proxy = url.protocol === 'https:' ? outgoingProxyFor(url, this.#options.outgoing) : null
    return this.#inTime((reach) => (proxy ? tunnelTo(url, proxy, reach) : dial(addressOf(url), reach)), url)
  }

  /** Past any outgoing proxy. */
  openDirect(url: URL): Promise<Socket> {
    return this.#inTime((reach) => dial(addressOf(url), reach), url)
  }

  /** Ends all attempts. What has been handed over stays. */
  close(): void {
    for (const ending of this.#endings) ending.abort(new Error('No connection is needed any more'))
  }

  async #inTime(reachHost: (reach: Reach) => Promise<Socket>, url: URL): Promise<Socket> {
    const { outgoing, resolve } = this.#options
    const ending = new AbortController()
    this.#endings.add(ending)
    const timer = setTimeout(() => ending.abort(new ConnectTimeout('No connection in time')), outgoing.timeouts.connect)
    try {
      const reach = { resolve, signal: ending.signal }
      const socket = await reachHost(reach)
      return url.protocol === 'https:' ? await this.#secure(socket, url, ending.signal) : socket
    } finally {
      clearTimeout(timer)
      this.#endings.delete(ending)
    }
  }

  #secure(socket: Socket, url: URL, signal: AbortSignal): Promise<Socket> {
    const { secureContext, outgoing } = this.#options
    const { host } = addressOf(url)
    const session = this.#sessions.get(url.host)
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    const secured = connectTls({
      socket,
      secureContext,
      rejectUnauthorized: outgoing.verifyPeers,
      ALPNProtocols: ['http/1.1'],
      host,
      // Addresses are no names for SNI (RFC 6066 3).
      ...(!isIP(host) && { servername: host }),
      ...(session && { session }),
    })
    const onAbort = () => secured.destroy(signal.reason)
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    const onFailure = (error: Error) => {
      // A session may be what the other side stumbles over. Another connection may have renewed it.
      if (session && this.#sessions.get(url.host) === session) this.#sessions.delete(url.host)
      reject(error)
    }
    const onClose = () => onFailure(connectionClosed())
    secured.once('error', onFailure)
    secured.on('error', () => undefined)
    secured.once('close', onClose)
    secured.once('secureConnect', () => {
      secured.off('error', onFailure)
      secured.off('close', onClose)
      signal.removeEventListener('abort', onAbort)
      // Not before: one that is resumed is not checked for its name.
      secured.on('session', (resumable) => this.#sessions.set(url.host, resumable))
      resolve(secured)
    })
    return promise
  }
}

function connectionClosed(): Error {
  return Object.assign(new Error('The connection was closed during the TLS handshake'), { code: 'ECONNRESET' })
}

async function tunnelTo(url: URL, proxy: URL, reach: Reach): Promise<Socket> {
  const { status, socket } = await openTunnel(proxy, authorityOf(url), reach)
  // Any 2xx says that there is a way (RFC 9110 9.3.6).
  if (status >= 200 && status < 300) return socket
  socket.destroy()
  throw tunnelRefused(status)
}

/** `host:port`, as CONNECT names it. */
export function authorityOf(url: URL): string {
  return `${url.hostname}:${addressOf(url).port}`
}
