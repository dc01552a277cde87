import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type FastifyInstance, fastify } from 'fastify'
import { type ErrorCode, ProxyError } from '../errors.ts'
import type { Logger } from '../observe/logger.ts'
import { answerUnderWay } from './answer-under-way.ts'
import { resetCutAnswers } from './cut-answers.ts'
import { closeOnlyIdleConnections } from './idle-connections.ts'
import { inTurn } from './in-turn.ts'
import { problemDocument, problemHeaders } from './problem.ts'

type Handle = (request: IncomingMessage, response: ServerResponse, target: string) => Promise<void>

/** Longer than Orthanc keeps an idle connection, so that it is never closed under a request. */
const keepAliveTimeout = 75_000

interface DataListenerOptions {
  readonly logger: Logger
  /** How long (ms) a client may take for a request's head. Bodies may take as long as they keep moving. */
  readonly requestHead: number
}

/** How often (ms) Node looks for heads that take too long. */
function headLook(requestHead: number): number {
  return Math.min(requestHead / 2, 5_000)
}

/**
 * The listener that Orthanc talks to. Fastify brings the lifecycle and the connections; what a request asks for is the
 * guard's to read, so every request is taken over before fastify routes or parses anything of it.
 */
export function createDataListener(handle: Handle, { logger, requestHead }: DataListenerOptions): FastifyInstance {
  const listener = fastify({
    logger: false,
    // Plain Node would kill an upload that takes more than five minutes.
    requestTimeout: 0,
    keepAliveTimeout,
    // A missing Host is refused later, in our words.
    http: { headersTimeout: requestHead, connectionsCheckingInterval: headLook(requestHead), requireHostHeader: false },
    forceCloseConnections: 'idle',
    // Requests on open connections are refused in our words, not fastify's.
    return503OnClosing: false,
    // One path for the router: it would refuse some targets before the guard sees them.
    rewriteUrl: () => '/',
    clientErrorHandler: (error, socket) => answerUnreadable(error, socket, logger),
  })
  const handleInTurn = inTurn(handle)
  listener.addHook('onRequest', (request, reply) => {
    reply.hijack()
    void handleInTurn(request.raw, reply.raw, request.originalUrl)
  })
  listener.setNotFoundHandler(() => {})
  closeOnlyIdleConnections(listener.server)
  resetCutAnswers(listener.server)
  // By default Node says "continue" before anybody has looked at the request.
  for (const event of ['checkContinue', 'checkExpectation']) {
    listener.server.on(event, (request, response) => listener.server.emit('request', request, response))
  }
  return listener
}

/** How long (ms) a client that sent something unreadable may take to read why. */
const lastWords = 1_000

/** Connections that were told so; all that still comes there is another error. */
const answered = new WeakSet<Socket>()

/** What Node's parser could not read as a request (RFC 9112 2.2): there is only the socket to answer on. */
function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket, logger: Logger): void {
  if (answered.has(socket)) return
  const underWay = answerUnderWay(socket)
  // Another answer would pass for a part of the one that has begun, or for that to the request before.
  if (
    error.code === 'ECONNRESET' ||
    error.code === 'HPE_INVALID_EOF_STATE' ||
    !socket.writable ||
    underWay?.headersSent ||
    underWay?.req.complete
  ) {
    socket.destroy()
    return
  }
  const problem = new ProxyError(codeOf(error), detailOf(error))
  const requestId = randomUUID()
  const { code, layer, status, message: detail } = problem
  const line = { requestId, client: socket.remoteAddress, status, code, layer, detail, reason: error.code }
  // An upload that became unreadable has a line of its own.
  if (!underWay) logger.warn(line, 'request')
  socket.end(answerText(problem, requestId))
  // An upload that became unreadable must end at Google, too, and at once.
  if (underWay) socket.destroySoon()
  else {
    answered.add(socket)
    closeAfter(socket, lastWords)
  }
}

function answerText(problem: ProxyError, requestId: string): string {
  const body = problemDocument(problem, { requestId, attempts: 0 })
  const headers = Object.entries({ ...problemHeaders(problem, body), connection: 'close' })
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return `HTTP/1.1 ${problem.status} ${problem.title}\r\n${head}\r\n${body}`
}

/** Destroying it at once would reset the connection, and the answer could be lost (RFC 9112 9.6). */
function closeAfter(socket: Socket, milliseconds: number): void {
  const timer = setTimeout(() => socket.destroy(), milliseconds)
  socket.once('close', () => clearTimeout(timer))
  socket.resume()
}

function codeOf({ code }: NodeJS.ErrnoException): ErrorCode {
  if (code === 'HPE_HEADER_OVERFLOW') return 'header-too-large'
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'request-timeout' : 'malformed-request'
}

function detailOf({ code }: NodeJS.ErrnoException): string {
  if (code === 'HPE_HEADER_OVERFLOW') return 'The request line and headers are larger than 16 KiB: shorten the query.'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return 'The head of the request did not arrive in time: check the network between the client and this proxy.'
  return 'What came is not an HTTP/1.1 request: check that the client speaks plain HTTP to this address.'
}
