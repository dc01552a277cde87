import type { ServerResponse } from 'node:http'
import { bytesFlushed } from './bytes-flushed.ts'
import { resetResponse } from './reset-response.ts'

/**
 * Breaks an answer off of which, once all of it is there, no byte goes out for so long. From then on nobody else waits for the
 * client: one that stops reading just before the end would keep its connection, and its place at Google, for ever.
 *
 * @param idle milliseconds
 */
export function flushTimeout(response: ServerResponse, idle: number): void {
  response.once('prefinish', () => {
    // Most answers are out by then.
    if (response.socket?.writableLength === 0) return
    let before = bytesFlushed(response)
    const timer = setInterval(() => {
      const now = bytesFlushed(response)
      if (now === before) resetResponse(response)
      before = now
    }, idle)
    response.once('close', () => clearInterval(timer))
  })
}
