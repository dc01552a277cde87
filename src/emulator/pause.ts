import type { ServerResponse } from 'node:http'

/** The longest that Node's timers know; anything longer would fire at once. */
const maxPauseMs = 2 ** 31 - 1

/** Sleeps, but not beyond the end of the connection. */
export function pause(milliseconds: number, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, Math.min(milliseconds, maxPauseMs))
    function done(): void {
      clearTimeout(timer)
      response.off('close', done)
      resolve()
    }
    response.on('close', done)
    if (response.destroyed) done()
  })
}
