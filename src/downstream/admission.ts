import type { Server, Socket } from 'node:net'
import type { LimitSettings } from '../config/settings.ts'
import { canonicalAddress, rateLimitKey } from '../guard/address.ts'
import type { Log } from '../observe/logger.ts'

interface AdmissionOptions {
  readonly allows: (address: string) => boolean
  /** Called for each connection, because the limits may change. */
  readonly limits: () => Pick<LimitSettings, 'connections' | 'connectionsPerAddress'>
  readonly log: Log
}

/**
 * Counts a request on a connection that carries several, like a connection of its own. Returns what
 * ends that, or null if there are too many.
 */
export type CountStream = (address: string) => (() => void) | null

/**
 * Limits the connections by their addresses and their number. It closes the others before it reads
 * a byte of them, and before TLS.
 */
export function limitConnections(server: Server, { allows, limits, log }: AdmissionOptions): CountStream {
  const open = new Map<string, number>()
  let total = 0

  const refusal = (address: string): string | null => {
    if (!allows(address)) return 'not in AllowedNetworks'
    const { connections, connectionsPerAddress } = limits()
    if (total >= connections) return 'as many connections as Limits.Connections allows'
    const own = open.get(rateLimitKey(address)) ?? 0
    return own >= connectionsPerAddress ? 'as many connections as Limits.ConnectionsPerAddress allows' : null
  }
  const count = (whose: string, by: 1 | -1) => {
    total += by
    const own = (open.get(whose) ?? 0) + by
    if (own > 0) open.set(whose, own)
    else open.delete(whose)
  }

  const handlers = server.listeners('connection')
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    const address = canonicalAddress(socket.remoteAddress)
    const reason = refusal(address)
    if (reason !== null) {
      socket.on('error', () => {})
      // A reset: an orderly close would wait for an acknowledgement.
      socket.resetAndDestroy()
      log.warn({ address, reason }, 'connection refused')
      return
    }
    const whose = rateLimitKey(address)
    count(whose, 1)
    socket.once('close', () => count(whose, -1))
    for (const handler of handlers) handler.call(server, socket)
  })

  return (address) => {
    const reason = refusal(address)
    if (reason !== null) {
      log.warn({ address, reason }, 'request refused')
      return null
    }
    const whose = rateLimitKey(address)
    count(whose, 1)
    return () => count(whose, -1)
  }
}
