import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isLast } from '../forward/last-request.ts'

type Handle = (request: IncomingMessage, response: ServerResponse, target: string) => Promise<void>

/**
 * Handles the requests of each connection one after another, and none after the last. Node hands them over as soon as
 * they are read: one that follows a STOW-RS or a DELETE would overtake it (RFC 9112 9.3.2), and be carried out even if
 * the answer before it closes the connection (9.6).
 */
export function inTurn(handle: Handle): Handle {
  const latest = new WeakMap<Socket, Turn>()
  const ended = new WeakSet<Socket>()
  return async (request, response, target) => {
    const { socket } = request
    if (ended.has(socket)) return
    if (isLast(request)) ended.add(socket)
    // Of one whose connection has ended meanwhile, nobody would see the answer.
    const begin = async () => {
      if (socket.writable) await handle(request, response, target)
    }
    const before = latest.get(socket)
    const handled = before && !before.response.closed ? endOf(before).then(begin) : begin()
    latest.set(socket, { response, handled })
    await handled
  }
}

interface Turn {
  readonly response: ServerResponse
  readonly handled: Promise<void>
}

async function endOf({ response, handled }: Turn): Promise<void> {
  await handled
  if (!response.closed) await new Promise((resolve) => response.once('close', resolve))
}
