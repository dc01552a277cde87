import { randomUUID } from 'node:crypto'
import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer, type Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket, TlsOptions } from 'node:tls'
import { type FastifyInstance, fastify } from 'fastify'
import type { LimitSettings } from '../config/settings.ts'
import { limitConnections } from '../downstream/admission.ts'
import { coalesceChunks } from '../downstream/coalesce-chunks.ts'
import type { Http1Inbound } from '../downstream/http1-inbound.ts'
import { Http2Connections } from '../downstream/http2-connections.ts'
import type { Inbound } from '../downstream/inbound.ts'
import { carriesBody } from '../downstream/lingering-close.ts'
import { type Handle, resolved, serializePipelined } from '../downstream/pipelining.ts'
import { currentResponse, Sockets } from '../downstream/sockets.ts'
import { type ErrorCode, type Explanation, ProxyError } from '../errors.ts'
import { canonicalAddress } from '../guard/address.ts'
import type { Log } from '../observe/logger.ts'
import { problemDocument, problemHeaders } from './problem.ts'

interface DataListenerOptions {
  /** For what is no request, and for who is not let in. */
  readonly log: Log
  /** Asked again and again: they may change. */
  readonly limits: () => LimitSettings
  /** Whether a connection may come from this address. */
  readonly allows: (address: string) => boolean
  /** Null: plain http. */
  readonly tls: TlsOptions | null
  /**
   * How many streams a client of HTTP/2 may have open on a connection, asked again and again; null:
   * HTTP/1.1 only. Needs `tls`.
   */
  readonly maxStreams: (() => number) | null
  /**
   * How long (ms) a client may take for a request's head. Bodies may take as long as they keep
   * moving.
   */
  readonly headersTimeout: number
  /** Aborts when clients must open new connections for their next requests, to another process. */
  readonly draining: AbortSignal
}

const maxHeaders = 1000

/** How often (ms) Node looks for heads that take too long. */
function headersCheckInterval(headersTimeout: number): number {
  return Math.min(headersTimeout / 2, 5_000)
}

/**
 * The listener that Orthanc talks to. Fastify brings the lifecycle; what a request asks for is the
 * guard's to read, so no request ever reaches fastify's router (docs/adr/0008).
 */
export function createDataListener(handle: Handle<Inbound>, options: DataListenerOptions): FastifyInstance {
  const { log, limits, allows, tls, maxStreams, headersTimeout, draining } = options
  const { headerBytes, keepAliveTimeout } = limits()
  const http = {
    headersTimeout,
    connectionsCheckingInterval: headersCheckInterval(headersTimeout),
    maxHeaderSize: headerBytes,
    keepAliveTimeout,
    // Plain Node would kill an upload that takes more than five minutes.
    requestTimeout: 0,
    // Bytes that may wait for a client, or for Google. Four times Node's own: the two sides stop
    // and start each other less often, which saves 6 % of the processor time of a retrieval.
    highWaterMark: 256 * 1024,
    // A missing Host is refused later, in our words.
    requireHostHeader: false,
  }
  const server = tls ? createSecureServer({ ...http, ...tls }) : createServer(http)
  // Node's own default, beyond which it refuses a request. Before it did, headers were dropped, and
  // framed the body all the same (CVE-2026-58044): src/cli/node-version.ts.
  server.maxHeadersCount = maxHeaders
  const serveHttp1 = server.listeners('secureConnection')
  // Before its connections are limited, which looks after all that was done with them before.
  const sockets = new Sockets(server, tls !== null)
  const listener = fastify({
    logger: false,
    serverFactory: () => server,
    forceCloseConnections: 'idle',
    clientErrorHandler: (error, socket) => {
      if (sockets.isReady(socket)) respondUnreadable(error, socket, sockets, log)
      else refuseHandshake(error, socket, log)
    },
  })
  const handleAllowed = (inbound: Inbound) => {
    const { request } = inbound
    // The networks may have become fewer since the connection was let in.
    if (allows(canonicalAddress(request.socket.remoteAddress))) return handle(inbound)
    inbound.reset()
    return resolved
  }
  const handlePipelined = serializePipelined(handleAllowed)
  const take = (request: IncomingMessage, response: ServerResponse) => {
    // Those of Node's own pipeline and ours; beyond ten Node would warn of a leak with each upload.
    response.setMaxListeners(20)
    const inbound = sockets.accept(request, response)
    if (carriesBody(request)) coalesceChunks(request, () => endTinyChunks(inbound, sockets))
    void handlePipelined(inbound)
  }
  // By default Node says "continue" before anybody has looked at the request.
  for (const event of ['request', 'checkContinue', 'checkExpectation']) server.on(event, take)
  const countStream = limitConnections(server, { allows, limits, log })
  if (maxStreams) {
    const handle = (inbound: Inbound) => {
      const refuse = () => (inbound.response.headersSent ? inbound.reset() : inbound.refuseBody(tinyChunks()))
      if (carriesBody(inbound.request)) coalesceChunks(inbound.body, refuse)
      void handleAllowed(inbound)
    }
    const tcpOf = (socket: Socket) => sockets.tcpOf(socket)
    const connections = new Http2Connections(server as HttpsServer, serveHttp1, {
      handle,
      limits,
      maxStreams,
      countStream,
      tcpOf,
      draining,
      log,
    })
    closeTogether(server, connections)
  }
  return listener
}

/** What ends the connections of HTTP/1.1 ends those of HTTP/2, too. */
function closeTogether(server: HttpServer, connections: Http2Connections): void {
  const closeIdle = server.closeIdleConnections.bind(server)
  const closeAll = server.closeAllConnections.bind(server)
  server.closeIdleConnections = () => {
    closeIdle()
    connections.closeIdle()
  }
  server.closeAllConnections = () => {
    closeAll()
    connections.resetAll()
  }
}

/**
 * Gives a listener other limits of time, in milliseconds, from each connection's next request on.
 */
export function setTimeouts({ server }: FastifyInstance, headersTimeout: number, keepAliveTimeout: number): void {
  server.headersTimeout = headersTimeout
  server.keepAliveTimeout = keepAliveTimeout
}

/** Whoever has a response already gets no other one. */
function endTinyChunks(inbound: Http1Inbound, sockets: Sockets): void {
  if (inbound.response.headersSent) sockets.closeAfterCompleteResponse(inbound.request.socket)
  else inbound.refuseBody(tinyChunks())
}

function tinyChunks(): ProxyError {
  const problem = 'The body has chunks of less than 64 bytes on average.'
  return new ProxyError('tiny-chunks', { problem, remedy: 'Make the client send larger ones, such as 64 KiB.' })
}

/**
 * No response can be sent: a client that speaks TLS can't read plain http, nor the other way round.
 */
function refuseHandshake(error: NodeJS.ErrnoException, socket: Socket, log: Log): void {
  const { authorizationError } = socket as TLSSocket
  const reason = authorizationError ? String(authorizationError) : error.code
  const detail = error.code === 'ERR_SSL_HTTP_REQUEST' ? 'It speaks plain http: use https.' : undefined
  log.warn({ address: canonicalAddress(socket.remoteAddress), reason, detail }, 'no TLS connection')
  socket.destroy()
}

/** How long (ms) a client that sent something unreadable may take to read why. */
const rejectionLingerMs = 1_000

/** Of Node's parser, with what it could not read. */
interface ParseError extends NodeJS.ErrnoException {
  readonly rawPacket?: unknown
}

/**
 * What Node's parser could not read as a request (RFC 9112 2.2): the response can only be written
 * to the socket.
 */
function respondUnreadable(error: ParseError, socket: Socket, sockets: Sockets, log: Log): void {
  if (sockets.isRejected(socket)) return
  const current = currentResponse(socket)
  // Another response would pass for a part of the one that has begun, or for that to the request
  // before.
  if (
    error.code === 'ECONNRESET' ||
    error.code === 'HPE_INVALID_EOF_STATE' ||
    !socket.writable ||
    current?.headersSent ||
    current?.req.complete
  ) {
    sockets.closeAfterCompleteResponse(socket)
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
  const arriving = sockets.arriving(socket)
  if (arriving) arriving.unreadable = problem
  else log.warn(line, 'request')
  socket.end(responseText(problem, requestId, current))
  // An upload that became unreadable must end at Google, too, and at once.
  if (current) socket.destroySoon()
  else {
    sockets.reject(socket)
    closeAfter(socket, rejectionLingerMs)
  }
}

/** @param current has the headers that let a named page read the response; null for what is no request */
function responseText(problem: ProxyError, requestId: string, current: ServerResponse | null): string {
  const body = problemDocument(problem, { requestId, attempts: 0 })
  const headers = Object.entries({ ...current?.getHeaders(), ...problemHeaders(problem, body), connection: 'close' })
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return `HTTP/1.1 ${problem.status} ${problem.title}\r\n${head}\r\n${body}`
}

/**
 * Destroying it at once would reset the connection, and the response could be lost (RFC 9112 9.6).
 */
function closeAfter(socket: Socket, milliseconds: number): void {
  const timer = setTimeout(() => socket.destroy(), milliseconds)
  socket.once('close', () => clearTimeout(timer))
  socket.resume()
}

function codeOf({ code }: NodeJS.ErrnoException): ErrorCode {
  if (code === 'HPE_HEADER_OVERFLOW') return 'header-too-large'
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'request-timeout' : 'malformed-request'
}

function explanationOf({ code, rawPacket }: ParseError): Explanation {
  if (code === 'HPE_HEADER_OVERFLOW')
    return {
      problem: `Request line and headers exceed Limits.HeaderBytes, or there are more than ${maxHeaders} headers.`,
      remedy: 'Shorten the query, or send fewer headers.',
    }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return {
      problem: "The request's headers did not arrive in time.",
      remedy: 'Check the network between the client and this proxy.',
    }
  if (Buffer.isBuffer(rawPacket) && isUnencoded(rawPacket))
    return {
      problem: 'The request target has spaces or other characters that a URL must not have.',
      remedy: 'Percent-encode the names and values of the query, in UTF-8: a space as %20, ü as %C3%BC.',
    }
  return {
    problem: 'This is not an HTTP/1.1 request.',
    remedy: 'Check whether this address expects http or https.',
  }
}

/** Whether it begins with a request line (RFC 9112 3) that is right but for its target. */
function isUnencoded(packet: Buffer): boolean {
  const line = packet.subarray(0, packet.indexOf('\r')).toString('latin1')
  const target = /^[A-Z]+ (\/.*) HTTP\/1\.[01]$/.exec(line)?.[1]
  return target !== undefined && /[^\x21-\x7e]/.test(target)
}
