import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isLast } from '../forward/last-request.ts'

export type Handle = (request: IncomingMessage, response: ServerResponse, target: string) => Promise<void>

/**
 * Handles the requests of each connection one after another, and none after the last. Node hands them over as soon as
 * they are read: one that follows a STOW-RS or a DELETE would overtake it (RFC 9112 9.3.2), and be carried out even if
 * the answer before it closes the connection (9.6).
 */
export function inTurn(handle: Handle): Handle {
  const latest = new WeakMap<Socket, Turn>()
  const ended = new WeakSet<Socket>()
  const waiting = new WeakMap<Socket, number>()
  return async (request, response, target) => {
    const { socket } = request
    if (ended.has(socket)) return
    if (isLast(request)) ended.add(socket)
    // Of one whose connection has ended meanwhile, nobody would see the answer.
    const begin = async () => {
      if (socket.writable) await handle(request, response, target)
    }
    const before = latest.get(socket)
    if (!before || before.response.closed) {
      const handled = begin()
      latest.set(socket, { response, handled })
      return handled
    }
    const behind = (waiting.get(socket) ?? 0) + 1
    if (behind > mostWaiting) {
      socket.destroy()
      return
    }
    waiting.set(socket, behind)
    const handled = endOf(before).then(() => {
      waiting.set(socket, (waiting.get(socket) ?? 1) - 1)
      return begin()
    })
    latest.set(socket, { response, handled })
    await handled
  }
}

/** Requests that may wait on one connection. Node reads on as long as none has begun to answer: without a bound they fill the memory. */
const mostWaiting = 32

interface Turn {
  readonly response: ServerResponse
  readonly handled: Promise<void>
}

async function endOf({ response, handled }: Turn): Promise<void> {
  await handled
  if (!response.closed) await new Promise((resolve) => response.once('close', resolve))
}
