import { setTimeout as delay } from 'node:timers/promises'

/** Waits for something, but no longer than so many milliseconds. */
export async function withTimeout(milliseconds: number, something: Promise<void>): Promise<void> {
  const enough = new AbortController()
  const { signal } = enough
  await Promise.race([something, delay(milliseconds, undefined, { signal })])
  enough.abort()
}
