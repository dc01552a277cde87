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
 * Sends searches by the clock, without waiting for earlier responses, over the connections in turn.
 * Several entrances get this pace each, in alternation, so that a disturbance affects all of them.
 *
 * @returns for each entrance, for each search, milliseconds from when it was due to the last byte of
 *   its response
 */
export async function searchPaced(entrances: readonly Entrance[], pace: Pace): Promise<readonly (readonly number[])[]> {
  const ways = entrances.map((entrance) => new Way(entrance, pace.connections))
  await Promise.all(ways.map((way) => way.open()))
  const running: Promise<number>[][] = ways.map(() => [])
  const interval = 1000 / pace.rate / ways.length
  const startedAt = performance.now()
  for (let number = 0; number < pace.rate * pace.seconds * ways.length; number += 1) {
    const due = startedAt + number * interval
    await until(due)
    const turn = number % ways.length
    running[turn]?.push((ways[turn] as Way).search().then(() => performance.now() - due))
  }
  const latencies = await Promise.all(running.map((all) => Promise.all(all)))
  await Promise.all(ways.map((way) => way.close()))
  return latencies
}

/** Connections to one entrance, used in turn. */
class Way {
  readonly #clients: readonly Client[]
  readonly #path: string
  readonly #headers: Entrance['headers']
  #searches = 0

  constructor({ url, headers, authority }: Entrance, connections: number) {
    const { origin } = new URL(url)
    this.#clients = Array.from(
      { length: connections },
      () => new Client(origin, { pipelining: 1, connect: { ca: authority } }),
    )
    this.#path = pathOf(url + smallSearch)
    this.#headers = headers
  }

  async open(): Promise<void> {
    await Promise.all(this.#clients.map(() => this.search()))
  }

  search(): Promise<void> {
    const client = this.#clients[this.#searches++ % this.#clients.length] as Client
    return searchOnce(client, this.#path, this.#headers)
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()))
  }
}

/**
 * A timer may fire a millisecond late, which is more than what is measured; the rest of the wait is
 * a busy loop.
 */
async function until(due: number): Promise<void> {
  const early = due - performance.now() - 2
  if (early > 0) await delay(early)
  while (performance.now() < due) await new Promise(setImmediate)
}
