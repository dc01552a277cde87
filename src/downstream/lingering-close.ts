import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Inbound, InboundRequest, InboundResponse } from './inbound.ts'

/** How much of an unwanted body a client may still send after its response. */
interface LingerLimits {
  readonly milliseconds: number
  readonly bytes: number
}

const limits: LingerLimits = { milliseconds: 30_000, bytes: Number.POSITIVE_INFINITY }
/**
 * The same for clients that have not logged in: enough for those that send all of a small body
 * before they read.
 */
const unauthenticatedLimits: LingerLimits = { milliseconds: 5_000, bytes: 1024 * 1024 }
/** The same for a body that was refused: the client may read why. */
const refusedLimits: LingerLimits = { milliseconds: 1_000, bytes: Number.POSITIVE_INFINITY }

/**
 * Keeps a connection open after its response while the client still sends, even if the client asked
 * to close it. Node would close it right after the response, over unread data: that resets the
 * connection, and the client, busy sending, would lose the response (RFC 9112 9.6). Call this
 * before the response begins.
 */
export function lingerWhileSending(response: InboundResponse): void {
  const { req } = response
  if (!req.complete && carriesBody(req)) response.shouldKeepAlive = true
  else if (closesConnection(req)) response.shouldKeepAlive = false
}

/** A request and response that have a connection to themselves. */
interface Http1Exchange extends Pick<Inbound, 'bodyRefusal'> {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/**
 * Reads and discards what the client still sends after its response, but little of a client that
 * has not logged in. Then closes the connection, if the client asked for that.
 */
export function drainRequest(inbound: Http1Exchange, isUnauthenticated: boolean): void {
  const { request, response } = inbound
  if (!carriesBody(request)) return
  const { socket } = request
  const closeIfLast = () => {
    if (closesConnection(request)) afterResponse(response, () => socket.end())
  }
  // It isn't enough that the body is complete: what has arrived but was not read would keep the
  // connection from its next request.
  if (request.readableEnded) {
    closeIfLast()
    return
  }
  if (request.destroyed) return
  const { milliseconds, bytes } = limitsFor(inbound, isUnauthenticated)
  const timer = setTimeout(() => socket.destroy(), milliseconds)
  let remaining = bytes
  const onData = (chunk: Buffer) => {
    remaining -= chunk.length
    if (remaining < 0) socket.destroy()
  }
  // Node no longer tells a request that its connection has closed, once its response is out.
  const onEnd = () => {
    clearTimeout(timer)
    socket.off('close', onEnd)
    closeIfLast()
  }
  socket.once('close', onEnd)
  request.once('end', onEnd)
  request.on('data', onData)
  request.resume()
  // Read at once: Node discards, without an event, what nobody has begun to read when the response
  // is out.
  request.read(0)
}

function limitsFor({ bodyRefusal }: Pick<Inbound, 'bodyRefusal'>, isUnauthenticated: boolean): LingerLimits {
  if (bodyRefusal) return refusedLimits
  return isUnauthenticated ? unauthenticatedLimits : limits
}

/** The response may still wait for that of an earlier request on the same connection. */
function afterResponse(response: ServerResponse, close: () => void): void {
  if (response.writableFinished) close()
  else response.once('finish', close)
}

/** Whether a request has a body, according to its headers. */
export function carriesBody({ headers }: Pick<InboundRequest, 'headers'>): boolean {
  return headers['transfer-encoding'] !== undefined || !/^0*$/.test(headers['content-length'] ?? '')
}

type Message = Pick<InboundRequest, 'headers' | 'httpVersion'>

/** Whether nothing that follows a request on its connection may be taken for another one. */
export function closesConnection(request: Message): boolean {
  return asksToClose(request) || endsInDoubt(request)
}

/** RFC 9112 9.3. */
function asksToClose({ headers, httpVersion }: Message): boolean {
  const options = headers.connection ?? ''
  return /\bclose\b/i.test(options) || (httpVersion === '1.0' && !/\bkeep-alive\b/i.test(options))
}

/**
 * Other servers may see the end of such a request elsewhere (RFC 9112 6.1, 11.2). After an Upgrade,
 * Node drops what came in the same packet.
 */
function endsInDoubt({ headers, httpVersion }: Message): boolean {
  const coding = headers['transfer-encoding']
  const isPlain = coding === undefined || (coding.toLowerCase() === 'chunked' && httpVersion === '1.1')
  return !isPlain || headers.upgrade !== undefined
}
