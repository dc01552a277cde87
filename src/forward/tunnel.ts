import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { abortable } from '../concurrency/abort.ts'
import { proxyAuthorization } from '../config/outgoing-proxy.ts'
import { networkFailureOf } from '../network-failure.ts'
import { addressOf, dial, type Resolve } from './dial.ts'

/** Response of an outgoing proxy to CONNECT (RFC 9110 9.3.6); with 2xx, the way through it. */
export interface Tunnel {
  readonly status: number
  readonly socket: Socket
}

/** What making a connection takes: names to addresses, and when to give up. */
export interface Reach {
  readonly resolve: Resolve
  /** Its reason is what the attempt rejects with. */
  readonly signal: AbortSignal
}

/**
 * Asks an outgoing proxy for a way to `host:port`. Node's parser reads the response, 16 KiB of
 * headers at the most: the tunnels that Node's own agents make read all that comes, without a
 * bound, and go on when nobody waits for them any more. Any response ends it, interim ones (RFC
 * 9110 15.2) too.
 *
 * Rejects when the proxy can't be reached, or says nothing that can be read.
 */
export async function openTunnel(proxy: URL, authority: string, reach: Reach): Promise<Tunnel> {
  const socket = await dial(addressOf(proxy), reach)
  const request = httpRequest({
    method: 'CONNECT',
    path: authority,
    headers: { host: authority, ...proxyAuthorization(proxy) },
    createConnection: () => socket,
  })
  try {
    request.end()
    const [response, , head] = await abortable(
      once(request, 'connect') as Promise<[IncomingMessage, Socket, Buffer]>,
      reach.signal,
    )
    socket.on('error', () => undefined)
    if (head.length > 0) socket.unshift(head)
    return { status: response.statusCode ?? 0, socket }
  } catch (error) {
    request.on('error', () => undefined)
    request.destroy()
    if (error === reach.signal.reason && networkFailureOf(error).kind === 'timeout')
      throw new TunnelFailure('The outgoing proxy did not respond to CONNECT in time', 'ERR_TUNNEL_TIMEOUT')
    throw isUnreadable(error) ? unreadable() : error
  }
}

/** There is no way through an outgoing proxy. `code` is for `networkFailureOf`. */
export class TunnelFailure extends Error {
  readonly code: 'ERR_TUNNEL_REFUSED' | 'ERR_TUNNEL_RESPONSE' | 'ERR_TUNNEL_TIMEOUT'
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
