import { type FastifyInstance, fastify } from 'fastify'
import type { TokenState } from '../credentials/token-cache.ts'
import type { AccountHistory } from '../observe/request-history.ts'

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
  readonly history: { of(account: string): AccountHistory }
}

/** The listener for probes and people. Nothing on it is a secret or about a patient. */
export function createAdminListener(operation: Operation): FastifyInstance {
  const listener = fastify({ logger: false, forceCloseConnections: true })
  listener.get('/healthz', () => ({ status: 'alive' }))
  listener.get('/readyz', (_request, reply) => {
    const readiness = readinessOf(operation)
    return reply.code(readiness.ready ? 200 : 503).send(readiness)
  })
  listener.get('/api/status', (_request, reply) => reply.header('cache-control', 'no-store').send(statusOf(operation)))
  return listener
}

/** Ready means that a request to any account would be forwarded with a token right now. */
function readinessOf(operation: Operation) {
  const accounts = [...operation.accounts()].map(({ name, tokenState }) => ({ name, ...tokenReadiness(tokenState()) }))
  return { ready: operation.accepting() && accounts.every(({ ready }) => ready), accounts }
}

/** How each account fares: its token, what is asked of it just now and was before, and what failed. */
function statusOf({ accounts, history }: Operation) {
  return {
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
