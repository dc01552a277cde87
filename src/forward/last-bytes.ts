import type { ServerResponse } from 'node:http'
import { breakOff } from './break-off.ts'
import { goneOut } from './gone-out.ts'

/**
 * Breaks an answer off of which, once all of it is there, no byte goes out for so long. From then on nobody else waits for the
 * client: one that stops reading just before the end would keep its connection, and its place at Google, for ever.
 *
 * @param idle milliseconds
 */
export function limitLastBytes(response: ServerResponse, idle: number): void {
  response.once('prefinish', () => {
    // Most answers are out by then.
    if (response.socket?.writableLength === 0) return
    let before = goneOut(response)
    const timer = setInterval(() => {
      const now = goneOut(response)
      if (now === before) breakOff(response)
      before = now
    }, idle)
    response.once('close', () => clearInterval(timer))
  })
}
