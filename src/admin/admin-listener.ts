import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TlsOptions } from 'node:tls'
import { type FastifyInstance, fastify } from 'fastify'
import type { LimitSettings } from '../config/settings.ts'
import { limitConnections } from '../downstream/admission.ts'
import { ProxyError } from '../errors.ts'
import { canonicalAddress } from '../guard/address.ts'
import type { Client } from '../guard/client.ts'
import type { Log } from '../observe/logger.ts'
import { problemDocument, problemHeaders } from '../server/problem.ts'
import { readPageFiles } from './page-files.ts'
import type { ProxyStatus } from './proxy-status.ts'
import { readinessOf } from './readiness.ts'
import { StatusStream } from './status-stream.ts'

interface AdminListenerOptions {
  readonly log: Log
  /** A function, because a reload may change them. */
  readonly limits: () => LimitSettings
  /** Whether this address may connect. */
  readonly allows: (address: string) => boolean
  /** Null: plain http. */
  readonly tls: TlsOptions | null
}

/**
 * The listener for probes and people. It shows no secrets and no patient data. From other machines,
 * probes get a response without details; everything else requires a client with `Admin: true`.
 */
export function createAdminListener(proxy: ProxyStatus, options: AdminListenerOptions): FastifyInstance {
  const { limits, tls } = options
  const { headerBytes, keepAliveTimeout } = limits()
  const http = { maxHeaderSize: headerBytes }
  const listener = fastify({
    logger: false,
    forceCloseConnections: true,
    keepAliveTimeout,
    ...(tls ? { https: { ...http, ...tls } } : { http }),
  }) as FastifyInstance
  listener.setErrorHandler((error, { raw }, reply) => {
    if (!(error instanceof ProxyError)) return reply.send(error)
    const requestId = randomUUID()
    const { code, status, reason } = error
    const address = canonicalAddress(raw.socket.remoteAddress)
    options.log.warn({ requestId, address, status, code, reason }, 'admin request')
    const body = problemDocument(error, { requestId, attempts: 0 })
    return reply.code(error.status).headers(problemHeaders(error, body)).send(body)
  })
  listener.addHook('onRequest', async (_request, reply) => {
    reply.headers(pageHeaders)
  })
  addProbes(listener, proxy)
  listener.register(async (guarded) => {
    guarded.addHook('onRequest', async ({ raw }) => requireAdmin(await proxy.clientOf(raw)))
    addDetails(guarded, proxy)
    addPage(guarded)
  })
  limitConnections(listener.server, options)
  return listener
}

function addProbes(listener: FastifyInstance, proxy: ProxyStatus): void {
  listener.get('/healthz', () => ({ status: 'alive' }))
  listener.get('/readyz', async ({ raw, query }, reply) => {
    const readiness = readinessOf(proxy, accountOf(query))
    const { ready } = readiness
    const client = await clientIfAny(proxy, raw)
    return reply.code(ready ? 200 : 503).send(client?.admin ? readiness : { ready })
  })
}

function addDetails(listener: FastifyInstance, proxy: ProxyStatus): void {
  const stream = new StatusStream(proxy)
  listener.addHook('preClose', async () => stream.close())
  listener.get('/api/status', (_request, reply) => reply.header('cache-control', 'no-store').send(stream.status))
  listener.get('/api/events', { exposeHeadRoute: false }, (_request, reply) => {
    stream.checkRoom()
    const headers = { ...pageHeaders, 'content-type': 'text/event-stream', 'cache-control': 'no-store' }
    reply.hijack()
    // Tells reverse proxies not to buffer the stream.
    reply.raw.writeHead(200, { ...headers, 'x-accel-buffering': 'no' })
    stream.begin(reply.raw)
  })
  listener.get('/metrics', async (_request, reply) => {
    const { metrics } = proxy
    return reply
      .headers({ 'content-type': metrics.contentType, 'cache-control': 'no-store' })
      .send(await metrics.text())
  })
}

function addPage(listener: FastifyInstance): void {
  for (const { path, type, content, etag } of readPageFiles()) {
    listener.get(`/${path}`, ({ headers }, reply) => {
      reply.headers({ etag, 'cache-control': 'no-cache' })
      if (headers['if-none-match'] === etag) return reply.code(304).send()
      return reply.type(type).send(content)
    })
  }
}

/** Of `?account=NAME`; null without one. Of several, the last counts. */
function accountOf(query: unknown): string | null {
  const { account } = query as { readonly account?: string | readonly string[] }
  return (typeof account === 'object' ? account.at(-1) : account) ?? null
}

/** Null for an unauthenticated client, such as a probe. */
async function clientIfAny({ clientOf }: ProxyStatus, request: IncomingMessage): Promise<Client | null> {
  try {
    return await clientOf(request)
  } catch (error) {
    if (error instanceof ProxyError) return null
    throw error
  }
}

function requireAdmin({ admin, name }: Client): void {
  if (admin) return
  throw new ProxyError('admin-only', {
    problem: `Client ${name} is not an administrator.`,
    remedy: 'Set "Admin": true in its configuration, if it may see this.',
  })
}

/**
 * The page loads everything from this listener, has no inline scripts or styles, and can't be
 * framed.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Security headers of every response of the admin listener. */
export const pageHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': contentSecurityPolicy,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}
