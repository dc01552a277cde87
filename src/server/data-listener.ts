import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket, TlsOptions } from 'node:tls'
import { type FastifyInstance, fastify } from 'fastify'
import type { LimitSettings } from '../config/settings.ts'
import { limitConnections } from '../downstream/admission.ts'
import { coalesceChunks } from '../downstream/coalesce-chunks.ts'
import { currentResponse } from '../downstream/current-response.ts'
import { followHandshakes } from '../downstream/handshakes.ts'
import { closeOnlyIdleConnections } from '../downstream/idle-connections.ts'
import { type Handle, resolved, serializePipelined } from '../downstream/pipelining.ts'
import { refuseBody } from '../downstream/refused-body.ts'
import { closeAfterCompleteResponse, resetTruncatedResponses } from '../downstream/reset-truncated.ts'
import { type ErrorCode, type Explanation, ProxyError } from '../errors.ts'
import { canonicalAddress } from '../guard/address.ts'
import type { Log } from '../observe/logger.ts'
import { problemDocument, problemHeaders } from './problem.ts'
import { unreadableRequests } from './unreadable.ts'

interface DataListenerOptions {
  /** For what is no request, and for who is not let in. */
  readonly log: Log
  /** Asked again and again: they may change. */
  readonly limits: () => LimitSettings
  /** Whether a connection may come from this address. */
  readonly allows: (address: string) => boolean
  /** Null: plain http. */
  readonly tls: TlsOptions | null
  /** How long (ms) a client may take for a request's head. Bodies may take as long as they keep moving. */
  readonly requestHead: number
}

/** How often (ms) Node looks for heads that take too long. */
function headersCheckInterval(requestHead: number): number {
  return Math.min(requestHead / 2, 5_000)
}

/**
 * The listener that Orthanc talks to. Fastify brings the lifecycle; what a request asks for is the guard's to read, so no
 * request ever reaches fastify's router (docs/adr/0008).
 */
export function createDataListener(handle: Handle, options: DataListenerOptions): FastifyInstance {
  const { log, limits, allows, tls, requestHead } = options
  const { headerBytes, idleConnection } = limits()
  const http = {
    headersTimeout: requestHead,
    connectionsCheckingInterval: headersCheckInterval(requestHead),
    maxHeaderSize: headerBytes,
    keepAliveTimeout: idleConnection,
    // Plain Node would kill an upload that takes more than five minutes.
    requestTimeout: 0,
    // Bytes that may wait for a client, or for Google. Four times Node's own: the two sides stop and start each other less often, which
    // saves 6 % of the processor time of a retrieval.
    highWaterMark: 256 * 1024,
    // A missing Host is refused later, in our words.
    requireHostHeader: false,
  }
  const server = tls ? createSecureServer({ ...http, ...tls }) : createServer(http)
  // All of them are shown, up to maxHeaderSize, and too many are refused by the guard. By a limit of its own Node has dropped
  // those beyond it, and framed the body by them all the same (CVE-2026-58044).
  server.maxHeadersCount = 0
  const listener = fastify({
    logger: false,
    serverFactory: () => server,
    forceCloseConnections: 'idle',
    clientErrorHandler: (error, socket) => {
      if (isSecure(socket)) respondUnreadable(error, socket, log)
      else refuseHandshake(error, socket, log)
    },
  })
  const handleInTurn = serializePipelined((request, response) => {
    // The networks may have become fewer since the connection was let in.
    if (allows(canonicalAddress(request.socket.remoteAddress))) return handle(request, response)
    request.socket.resetAndDestroy()
    return resolved
  })
  const take = (request: IncomingMessage, response: ServerResponse) => {
    // Those of Node's own pipeline and ours; beyond ten Node would warn of a leak with each upload.
    response.setMaxListeners(20)
    coalesceChunks(request, () => endTinyChunks(request, response))
    void handleInTurn(request, response)
  }
  // By default Node says "continue" before anybody has looked at the request.
  for (const event of ['request', 'checkContinue', 'checkExpectation']) server.on(event, take)
  closeOnlyIdleConnections(server)
  const isSecure = tls ? followHandshakes(server) : () => true
  resetTruncatedResponses(server)
  // Last, for it looks after all that was done with connections before.
  limitConnections(server, { allows, limits, log })
  return listener
}

/** Gives a listener other limits of time, in milliseconds, from each connection's next request on. */
export function limitTimes({ server }: FastifyInstance, requestHead: number, idleConnection: number): void {
  server.headersTimeout = requestHead
  server.keepAliveTimeout = idleConnection
}

/** Whoever has an answer already gets no other one. */
function endTinyChunks(request: IncomingMessage, response: ServerResponse): void {
  if (response.headersSent) closeAfterCompleteResponse(request.socket)
  else refuseBody(request, new ProxyError('tiny-chunks', tinyChunks))
}

const tinyChunks = {
  problem: 'The body has chunks of less than 64 bytes on average.',
  remedy: 'Make the client send larger ones, such as 64 KiB.',
}

/** There is nothing to answer on: in plain http nobody would read it who speaks TLS, and the other way round. */
function refuseHandshake(error: NodeJS.ErrnoException, socket: Socket, log: Log): void {
  const { authorizationError } = socket as TLSSocket
  const reason = authorizationError ? String(authorizationError) : error.code
  const detail = error.code === 'ERR_SSL_HTTP_REQUEST' ? 'It speaks plain http: use https.' : undefined
  log.warn({ address: canonicalAddress(socket.remoteAddress), reason, detail }, 'no TLS connection')
  socket.destroy()
}

/** How long (ms) a client that sent something unreadable may take to read why. */
const lastWords = 1_000

/** Connections that were told so; all that still comes there is another error. */
const answered = new WeakSet<Socket>()

/** What Node's parser could not read as a request (RFC 9112 2.2): there is only the socket to answer on. */
function respondUnreadable(error: NodeJS.ErrnoException, socket: Socket, log: Log): void {
  if (answered.has(socket)) return
  const current = currentResponse(socket)
  // Another answer would pass for a part of the one that has begun, or for that to the request before.
  if (
    error.code === 'ECONNRESET' ||
    error.code === 'HPE_INVALID_EOF_STATE' ||
    !socket.writable ||
    current?.headersSent ||
    current?.req.complete
  ) {
    closeAfterCompleteResponse(socket)
    return
  }
  const problem = new ProxyError(codeOf(error), explanationOf(error))
  const requestId = randomUUID()
  const { code, layer, status, message: detail } = problem
  const line = {
    requestId,
    address: canonicalAddress(socket.remoteAddress),
    status,
    code,
    layer,
    detail,
    reason: error.code,
  }
  // An upload that became unreadable has a line of its own.
  if (!current) log.warn(line, 'request')
  else unreadableRequests.set(current.req, problem)
  socket.end(responseText(problem, requestId))
  // An upload that became unreadable must end at Google, too, and at once.
  if (current) socket.destroySoon()
  else {
    answered.add(socket)
    closeAfter(socket, lastWords)
  }
}

function responseText(problem: ProxyError, requestId: string): string {
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

function explanationOf({ code }: NodeJS.ErrnoException): Explanation {
  if (code === 'HPE_HEADER_OVERFLOW')
    return { problem: 'Request line and headers exceed Limits.HeaderBytes.', remedy: 'Shorten the query.' }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return {
      problem: "The request's headers did not arrive in time.",
      remedy: 'Check the network between the client and this proxy.',
    }
  return {
    problem: 'This is not an HTTP/1.1 request.',
    remedy: 'Check whether this address expects http or https.',
  }
}
