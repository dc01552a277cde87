import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Inbound } from './inbound.ts'

/** How much of an unwanted body a client may still send after its response. */
interface LingerLimits {
  readonly milliseconds: number
  readonly bytes: number
}

const limits: LingerLimits = { milliseconds: 30_000, bytes: Number.POSITIVE_INFINITY }
/**
 * For clients that have not logged in: enough for those who send all of a small body before they
 * read.
 */
const unauthenticatedLimits: LingerLimits = { milliseconds: 5_000, bytes: 1024 * 1024 }
/** For a body that was refused: the client may read why. */
const refusedLimits: LingerLimits = { milliseconds: 1_000, bytes: Number.POSITIVE_INFINITY }

/**
 * Keeps the connection of a client that still sends open beyond its response, even if it asked for
 * the connection to be closed. Node would close it right after the response, over unread data: that
 * resets the connection, and the client, busy sending, would lose the response (RFC 9112 9.6). To
 * be called before the response begins.
 */
export function lingerWhileSending(response: ServerResponse): void {
  const { req } = response
  if (!req.complete && carriesBody(req)) response.shouldKeepAlive = true
  else if (closesConnection(req)) response.shouldKeepAlive = false
}

/**
 * Reads on and throws away what the client still sends after its response; then closes the
 * connection, if the client asked for that. Of a client that has not logged in it reads little.
 */
export function drainRequest(inbound: Inbound, isUnauthenticated: boolean): void {
  const { request, response } = inbound
  if (!carriesBody(request)) return
  const { socket } = request
  const closeIfLast = () => {
    if (closesConnection(request)) afterResponse(response, () => socket.end())
  }
  // Complete is not enough: what has arrived but was not read would keep the connection from its
  // next request.
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
  // Once its response is out, Node tells a request no more that its connection has closed.
  const onEnd = () => {
    clearTimeout(timer)
    socket.off('close', onEnd)
    closeIfLast()
  }
  socket.once('close', onEnd)
  request.once('end', onEnd)
  request.on('data', onData)
  request.resume()
  // At once: what nobody has begun to read when its response is out, Node throws away without
  // telling.
  request.read(0)
}

function limitsFor({ bodyRefusal }: Inbound, isUnauthenticated: boolean): LingerLimits {
  if (bodyRefusal) return refusedLimits
  return isUnauthenticated ? unauthenticatedLimits : limits
}

/** A response may still wait for that to an earlier request on the same connection. */
function afterResponse(response: ServerResponse, close: () => void): void {
  if (response.writableFinished) close()
  else response.once('finish', close)
}

/** Whether a request has a body, by its head. */
export function carriesBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || !/^0*$/.test(headers['content-length'] ?? '')
}

type Message = Pick<IncomingMessage, 'headers' | 'httpVersion'>

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
 * Others may see the end of such a request elsewhere (RFC 9112 6.1, 11.2); after an Upgrade, Node
 * drops what came in the same packet.
 */
function endsInDoubt({ headers, httpVersion }: Message): boolean {
  const coding = headers['transfer-encoding']
  const isPlain = coding === undefined || (coding.toLowerCase() === 'chunked' && httpVersion === '1.1')
  return !isPlain || headers.upgrade !== undefined
}
