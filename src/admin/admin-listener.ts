import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { TlsOptions } from 'node:tls'
import { type FastifyInstance, fastify } from 'fastify'
import type { LimitSettings } from '../config/settings.ts'
import type { TokenState } from '../credentials/token-cache.ts'
import { ProxyError } from '../errors.ts'
import { canonicalAddress } from '../guard/address.ts'
import type { Client } from '../guard/client.ts'
import type { LineLog } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics/metrics.ts'
import type { AccountHistory } from '../observe/request-history.ts'
import { admitOnly } from '../server/admission.ts'
import { problemDocument, problemHeaders } from '../server/problem.ts'

interface Account {
  readonly name: string
  /** Resource name at Google. */
  readonly store: string
  /** By service. */
  readonly places: Readonly<Record<string, Occupancy>>
  tokenState(): TokenState
}

/** How many requests are at Google, wait for it, and may be there now. */
interface Occupancy {
  readonly underWay: number
  readonly waiting: number
  readonly limit: number
}

/** What the admin listener needs to know of the proxy. */
export interface Operation {
  /** False from the moment that the proxy shuts down. */
  accepting(): boolean
  accounts(): Iterable<Account>
  readonly metrics: Pick<Metrics, 'contentType' | 'text'>
  readonly history: { of(account: string): AccountHistory }
  /** How often strangers were refused, by what. */
  readonly refusals: { readonly counts: Readonly<Record<string, number>> }
  /** Who a request is from. Throws or rejects with a ProxyError. */
  readonly clientOf: (request: IncomingMessage) => Client | Promise<Client>
  /** Null when no audit trail is kept. */
  readonly audit: { readonly accepting: boolean } | null
}

interface AdminListenerOptions {
  readonly log: LineLog
  readonly limits: LimitSettings
  /** Whether a connection may come from this address. */
  readonly allows: (address: string) => boolean
  /** Null: plain http. */
  readonly tls: TlsOptions | null
}

/**
 * The listener for probes and people. Nothing on it is a secret or about a patient. From other machines, probes get an
 * answer without detail, and all else is for clients with `Admin: true`.
 */
export function createAdminListener(operation: Operation, options: AdminListenerOptions): FastifyInstance {
  const { limits, tls } = options
  const http = { maxHeaderSize: limits.headerBytes }
  const listener = fastify({
    logger: false,
    forceCloseConnections: true,
    keepAliveTimeout: limits.idleConnection,
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
  listener.get('/healthz', () => ({ status: 'alive' }))
  listener.get('/readyz', async ({ raw }, reply) => {
    const readiness = readinessOf(operation)
    const { ready } = readiness
    const client = await clientIfAny(operation, raw)
    return reply.code(ready ? 200 : 503).send(client?.admin ? readiness : { ready })
  })
  listener.register(async (guarded) => {
    guarded.addHook('onRequest', async ({ raw }) => onlyAdmin(await operation.clientOf(raw)))
    addDetails(guarded, operation)
  })
  admitOnly(listener.server, options)
  return listener
}

function addDetails(listener: FastifyInstance, operation: Operation): void {
  listener.get('/api/status', (_request, reply) => reply.header('cache-control', 'no-store').send(statusOf(operation)))
  listener.get('/metrics', async (_request, reply) => {
    const { metrics } = operation
    return reply
      .headers({ 'content-type': metrics.contentType, 'cache-control': 'no-store' })
      .send(await metrics.text())
  })
}

/** Null for somebody whom nobody knows: a probe. */
async function clientIfAny({ clientOf }: Operation, request: IncomingMessage): Promise<Client | null> {
  try {
    return await clientOf(request)
  } catch (error) {
    if (error instanceof ProxyError) return null
    throw error
  }
}

function onlyAdmin({ admin, name }: Client): void {
  if (admin) return
  throw new ProxyError(
    'admin-only',
    `Client ${name} is not for administration: it needs "Admin": true in the configuration.`,
  )
}

/** Ready means that a request to any account would be forwarded with a token right now. */
function readinessOf({ accepting, accounts: all, audit }: Operation) {
  const accounts = [...all()].map(({ name, tokenState }) => ({ name, ...tokenReadiness(tokenState()) }))
  const auditReady = audit?.accepting ?? true
  const ready = accepting() && auditReady && accounts.every((account) => account.ready)
  return { ready, accounts, ...(audit && { audit: { ready: auditReady } }) }
}

/** How each account fares: its token, what is asked of it just now and was before, and what failed. */
function statusOf({ accounts, history, refusals }: Operation) {
  return {
    refusals: refusals.counts,
    accounts: [...accounts()].map(({ name, store, tokenState, places }) => {
      return { name, store, token: tokenReadiness(tokenState()), places: occupancyOf(places), ...history.of(name) }
    }),
  }
}

function occupancyOf(places: Account['places']): Account['places'] {
  const each = Object.entries(places)
  return Object.fromEntries(
    each.map(([service, { underWay, waiting, limit }]) => [service, { underWay, waiting, limit }]),
  )
}

function tokenReadiness({ usable, expiresAt, failure, nextTryAt }: TokenState) {
  return { ready: usable, tokenExpiresAt: isoTime(expiresAt), failure, nextTryAt: isoTime(nextTryAt) }
}

function isoTime(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}
