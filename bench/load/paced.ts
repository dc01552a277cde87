import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'undici'
import type { Entrance } from './entrance.ts'
import { pathOf, searchOnce, smallSearch } from './search.ts'

export interface Pace {
  /** Requests a second. */
  readonly rate: number
  readonly seconds: number
  readonly connections: number
}

/**
 * Sends searches by the clock, whether earlier ones are answered or not, over the connections by turns.
 *
 * @returns for each, milliseconds from when it was due to the last byte of its answer
 */
export async function searchPaced(entrance: Entrance, pace: Pace): Promise<readonly number[]> {
  const { origin } = new URL(entrance.url)
  const clients = Array.from(
    { length: pace.connections },
    () => new Client(origin, { pipelining: 1, connect: { ca: entrance.authority } }),
  )
  const path = pathOf(entrance.url + smallSearch)
  const one = (number: number) => searchOnce(clients[number % clients.length] as Client, path, entrance.headers)
  await Promise.all(clients.map((_, number) => one(number)))
  const startedAt = performance.now()
  const running: Promise<number>[] = []
  for (let number = 0; number < pace.rate * pace.seconds; number += 1) {
    const due = startedAt + (number * 1000) / pace.rate
    await until(due)
    running.push(one(number).then(() => performance.now() - due))
  }
  const latencies = await Promise.all(running)
  await Promise.all(clients.map((client) => client.close()))
  return latencies
}

/** A timer may come a millisecond late, which is more than what is measured; the rest is waited for by looking again. */
async function until(due: number): Promise<void> {
  const early = due - performance.now() - 2
  if (early > 0) await delay(early)
  while (performance.now() < due) await new Promise(setImmediate)
}
