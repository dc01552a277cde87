import { type FastifyInstance, fastify } from 'fastify'
import type { TokenState } from '../credentials/token-cache.ts'

/** What the admin listener needs to know of the proxy. */
export interface Operation {
  /** False from the moment that the proxy shuts down. */
  accepting(): boolean
  accounts(): Iterable<{ readonly name: string; tokenState(): TokenState }>
}

/** The listener for probes and people. Nothing on it is a secret or about a patient. */
export function createAdminListener(operation: Operation): FastifyInstance {
  const listener = fastify({ logger: false, forceCloseConnections: true })
  listener.get('/healthz', () => ({ status: 'alive' }))
  listener.get('/readyz', (_request, reply) => {
    const readiness = readinessOf(operation)
    return reply.code(readiness.ready ? 200 : 503).send(readiness)
  })
  return listener
}

/** Ready means that a request to any account would be forwarded with a token right now. */
function readinessOf(operation: Operation) {
  const accounts = [...operation.accounts()].map(({ name, tokenState }) => accountReadiness(name, tokenState()))
  return { ready: operation.accepting() && accounts.every(({ ready }) => ready), accounts }
}

function accountReadiness(name: string, { usable, expiresAt, failure, nextTryAt }: TokenState) {
  return { name, ready: usable, tokenExpiresAt: isoTime(expiresAt), failure, nextTryAt: isoTime(nextTryAt) }
}

function isoTime(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}
