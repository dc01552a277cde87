import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'

export interface ListenerOptions {
  readonly host: string
  readonly port: number
  readonly tls?: { readonly key: string; readonly cert: string }
}

/** `socket` is the TCP socket underneath, also with TLS. */
export type Handler = (request: IncomingMessage, response: ServerResponse, socket: Socket) => void

export interface Listener {
  readonly scheme: 'http' | 'https'
  readonly port: number
  /** Opens for requests. */
  serve(handler: Handler): void
  close(): Promise<void>
}

/** Listens; requests that come before `serve` wait. */
export async function listen({ host, port, tls }: ListenerOptions): Promise<Listener> {
  const server = tls ? createHttpsServer(tls) : createHttpServer()
  // Long uploads and idle connections are the clients' affair; the defaults would cut both (Node:
  // 300 s and 5 s).
  server.requestTimeout = 0
  server.headersTimeout = 0
  server.keepAliveTimeout = 0
  const sockets = trackSockets(server)
  const served = Promise.withResolvers<Handler>()
  serveWith(server, sockets, served.promise)
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  return {
    scheme: tls ? 'https' : 'http',
    port: (server.address() as AddressInfo).port,
    serve: served.resolve,
    close: () => closeServer(server, sockets),
  }
}

/**
 * TCP sockets by the client's port: a TLS socket does not give away the one below, which alone can
 * send a reset.
 */
function trackSockets(server: Server): Map<number, Socket> {
  const sockets = new Map<number, Socket>()
  server.on('connection', (socket: Socket) => {
    const port = socket.remotePort ?? 0
    sockets.set(port, socket)
    socket.once('close', () => sockets.delete(port))
  })
  return sockets
}

function serveWith(server: Server, sockets: ReadonlyMap<number, Socket>, served: Promise<Handler>): void {
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const handler = await served
    handler(request, response, sockets.get(request.socket.remotePort ?? 0) ?? request.socket)
  }
  server.on('request', handle)
  // With a listener, Node sends no `100 Continue` of its own: the body's reader does, if it comes
  // to that.
  server.on('checkContinue', handle)
}

function closeServer(server: Server, sockets: ReadonlyMap<number, Socket>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    for (const socket of sockets.values()) socket.destroy()
  })
}
