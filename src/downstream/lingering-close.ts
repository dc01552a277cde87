import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Inbound } from './inbound.ts'

/** How much a client may go on sending of a body that nobody wants, once it has its answer. */
interface Patience {
  readonly milliseconds: number
  readonly bytes: number
}

const patience: Patience = { milliseconds: 30_000, bytes: Number.POSITIVE_INFINITY }
/** For who has not logged in: enough for those who send all of a small body before they read. */
const patienceWithStrangers: Patience = { milliseconds: 5_000, bytes: 1024 * 1024 }
/** For a body that was refused: the client may read why. */
const noPatience: Patience = { milliseconds: 1_000, bytes: Number.POSITIVE_INFINITY }

/**
 * Keeps the connection of a client that still sends open beyond its answer, even if it asked for the connection to be
 * closed. Node would close it right after the answer, over unread data: that resets the connection, and the client, busy
 * sending, would lose the answer (RFC 9112 9.6). To be called before the answer begins.
 */
export function lingerWhileSending(response: ServerResponse): void {
  const { req } = response
  if (!req.complete && carriesBody(req)) response.shouldKeepAlive = true
  else if (closesConnection(req)) response.shouldKeepAlive = false
}

/**
 * Reads on and throws away what the client still sends after its answer; then closes the connection, if the client asked
 * for that. Of a stranger it reads little.
 */
export function drainRequest(inbound: Inbound, isStranger: boolean): void {
  const { request, response } = inbound
  if (!carriesBody(request)) return
  const { socket } = request
  const closeIfLast = () => {
    if (closesConnection(request)) afterAnswer(response, () => socket.end())
  }
  // Complete is not enough: what has arrived but was not read would keep the connection from its next request.
  if (request.readableEnded) {
    closeIfLast()
    return
  }
  if (request.destroyed) return
  const { milliseconds, bytes } = patienceWith(inbound, isStranger)
  const timer = setTimeout(() => socket.destroy(), milliseconds)
  let left = bytes
  const onData = (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) socket.destroy()
  }
  // Once its answer is out, Node tells a request no more that its connection has closed.
  const onEnd = () => {
    clearTimeout(timer)
    socket.off('close', onEnd)
    closeIfLast()
  }
  socket.once('close', onEnd)
  request.once('end', onEnd)
  request.on('data', onData)
  request.resume()
  // At once: what nobody has begun to read when its answer is out, Node throws away without telling.
  request.read(0)
}

function patienceWith({ bodyRefusal }: Inbound, isStranger: boolean): Patience {
  if (bodyRefusal) return noPatience
  return isStranger ? patienceWithStrangers : patience
}

/** An answer may still wait for that to an earlier request on the same connection. */
function afterAnswer(response: ServerResponse, close: () => void): void {
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

/** Others may see the end of such a request elsewhere (RFC 9112 6.1, 11.2); after an Upgrade, Node drops what came in the same packet. */
function endsInDoubt({ headers, httpVersion }: Message): boolean {
  const coding = headers['transfer-encoding']
  const isPlain = coding === undefined || (coding.toLowerCase() === 'chunked' && httpVersion === '1.1')
  return !isPlain || headers.upgrade !== undefined
}
