import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Dispatcher } from 'undici'

/** Response of an outgoing proxy to CONNECT (RFC 9110 9.3.6); with 200, the way through it. */
export interface Tunnel {
  readonly status: number
  readonly socket: Socket
}

/**
 * Asks an outgoing proxy for a way to `host:port`. Node's parser reads the response, 16 KiB of
 * headers at the most: the tunnels that Node's own agents make read all that comes, without a
 * bound, and go on when nobody waits for them any more. Any response ends it, interim ones (RFC
 * 9110 15.2) too.
 *
 * Rejects when the proxy can't be reached, says nothing in time, or nothing that can be read.
 *
 * @param timeout milliseconds for all of it
 */
export async function openTunnel(proxy: URL, authority: string, timeout: number): Promise<Tunnel> {
  const { username, password } = proxy
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const headers = {
    host: authority,
    ...(username && { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` }),
  }
  const request = httpRequest({
    host: proxy.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: proxy.port,
    method: 'CONNECT',
    path: authority,
    headers,
    agent: false,
  })
  const ending = setTimeout(() => request.destroy(new DOMException('No tunnel in time', 'TimeoutError')), timeout)
  request.end()
  try {
    const [response, socket, head] = (await once(request, 'connect')) as [IncomingMessage, Socket, Buffer]
    socket.on('error', () => undefined)
    if (head.length > 0) socket.unshift(head)
    return { status: response.statusCode ?? 0, socket }
  } catch (error) {
    throw isUnreadable(error) ? unreadable() : error
  } finally {
    clearTimeout(ending)
  }
}

/** There is no way through an outgoing proxy. `code` is for `networkFailureOf`. */
export class TunnelFailure extends Error {
  readonly code: 'ERR_TUNNEL_REFUSED' | 'ERR_TUNNEL_RESPONSE'
  /** Of the outgoing proxy's response, if it refused. */
  readonly status: number | undefined

  constructor(message: string, code: TunnelFailure['code'], status?: number) {
    super(message)
    this.name = 'TunnelFailure'
    this.code = code
    this.status = status
  }
}

/** What an outgoing proxy responds in place of a way through it. */
export function tunnelRefused(status: number): TunnelFailure {
  return new TunnelFailure(`The outgoing proxy returned ${status}`, 'ERR_TUNNEL_REFUSED', status)
}

function unreadable(): TunnelFailure {
  return new TunnelFailure('The response of the outgoing proxy to CONNECT cannot be read', 'ERR_TUNNEL_RESPONSE')
}

/** By the names of Node's parser. */
function isUnreadable(error: unknown): boolean {
  return String((error as NodeJS.ErrnoException).code).startsWith('HPE_')
}

/**
 * Takes the place of the client that undici's ProxyAgent asks for tunnels. Of that one only a time
 * without a byte ends a CONNECT, which a proxy can make last as long as it likes.
 */
export class TunnelClient implements Pick<Dispatcher, 'close' | 'destroy'> {
  readonly #proxy: URL
  readonly #timeout: number

  constructor(proxy: URL, timeout: number) {
    this.#proxy = proxy
    this.#timeout = timeout
  }

  async connect({ path }: { readonly path: string }): Promise<Dispatcher.ConnectData> {
    const { status, socket } = await openTunnel(this.#proxy, path, this.#timeout)
    // undici's own error would not say the status.
    if (status !== 200) {
      socket.destroy()
      throw tunnelRefused(status)
    }
    return { statusCode: status, socket, headers: {}, opaque: null }
  }

  async close(): Promise<void> {}

  async destroy(): Promise<void> {}
}
