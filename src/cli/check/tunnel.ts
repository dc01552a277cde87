import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'

/** What an outgoing proxy answers to CONNECT (RFC 9110 9.3.6); with status 200, the way through it. */
export interface Tunnel {
  readonly status: number
  readonly socket: Socket
}

interface TunnelOptions {
  /** Of the proxy's own certificate, where it speaks TLS. */
  readonly rejectUnauthorized: boolean
  readonly ca: string[] | undefined
  /** Milliseconds. */
  readonly timeout: number
}

/** Asks an outgoing proxy for a way to `host:port`. Rejects when the proxy can't be reached or says nothing. */
export async function openTunnel(proxy: URL, authority: string, options: TunnelOptions): Promise<Tunnel> {
  const { username, password } = proxy
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const headers = {
    host: authority,
    ...(username && { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` }),
  }
  const { rejectUnauthorized, ca, timeout } = options
  const secured = { rejectUnauthorized, ...(ca && { ca }) }
  const target = {
    host: proxy.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: proxy.port,
    method: 'CONNECT',
    path: authority,
  }
  const signal = AbortSignal.timeout(timeout)
  const common = { ...target, headers, signal, agent: false }
  const request = proxy.protocol === 'https:' ? httpsRequest({ ...common, ...secured }) : httpRequest(common)
  request.end()
  const [answer, socket] = (await once(request, 'connect')) as [IncomingMessage, Socket]
  socket.on('error', () => undefined)
  return { status: answer.statusCode ?? 0, socket }
}
