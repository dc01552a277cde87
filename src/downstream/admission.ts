import type { Server, Socket } from 'node:net'
import type { LimitSettings } from '../config/settings.ts'
import { canonicalAddress, rateLimitKey } from '../guard/address.ts'
import type { Log } from '../observe/logger.ts'

interface AdmissionOptions {
  readonly allows: (address: string) => boolean
  /** Asked for each connection: they may change. */
  readonly limits: () => Pick<LimitSettings, 'connections' | 'connectionsPerAddress'>
  readonly log: Log
}

/**
 * Lets in only connections from where clients may come, and only so many. The others are closed
 * before a byte of theirs is read, and before TLS.
 */
export function limitConnections(server: Server, { allows, limits, log }: AdmissionOptions): void {
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
      // Not in order: nobody needs to wait for its acknowledgement.
      socket.resetAndDestroy()
      log.warn({ address, reason }, 'connection refused')
      return
    }
    const whose = rateLimitKey(address)
    count(whose, 1)
    socket.once('close', () => count(whose, -1))
    for (const handler of handlers) handler.call(server, socket)
  })
}
