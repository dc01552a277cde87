import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Http1Inbound } from './http1-inbound.ts'
import { closesConnection } from './lingering-close.ts'

export type Handle<In> = (inbound: In) => Promise<void>

/**
 * Maximum number of requests that wait on one connection. Node reads on as long as no response has
 * begun: without a limit they fill the memory.
 */
const maxPipelined = 32

/** The requests of one connection. */
interface Turns {
  /** The one that came last. */
  latest: Turn | null
  /** How many of them wait. */
  waiting: number
  /** No more are taken. */
  ended: boolean
}

interface Turn {
  readonly response: ServerResponse
  readonly handled: Promise<void>
}

/**
 * Handles the requests of each connection one after another, and none after the last. Node delivers
 * requests as soon as they are read: one that follows a STOW-RS or a DELETE would overtake it (RFC
 * 9112 9.3.2), and would be carried out even if the response before it closes the connection (9.6).
 */
export function serializePipelined(handle: Handle<Http1Inbound>): Handle<Http1Inbound> {
  const connections = new WeakMap<Socket, Turns>()
  return (inbound) => {
    const { request, response } = inbound
    const { socket } = request
    const turns = connections.get(socket) ?? { latest: null, waiting: 0, ended: false }
    connections.set(socket, turns)
    if (turns.ended) return resolved
    if (closesConnection(request)) turns.ended = true
    const before = turns.latest
    if (before && !before.response.closed && ++turns.waiting > maxPipelined) {
      socket.destroy()
      return resolved
    }
    // Nobody would see the response if the connection has ended meanwhile.
    const begin = () => (socket.writable ? handle(inbound) : resolved)
    const handled = !before || before.response.closed ? begin() : after(before, turns).then(begin)
    turns.latest = { response, handled }
    return handled
  }
}

/** Done already. */
export const resolved = Promise.resolve()

async function after({ response, handled }: Turn, turns: Turns): Promise<void> {
  await handled
  if (!response.closed) await new Promise((resolve) => response.once('close', resolve))
  turns.waiting -= 1
}
