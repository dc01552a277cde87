import type { Agent as HttpAgent } from 'node:http'
import { Pool } from 'undici'

/** How many connections are in use, and wait for use. */
export interface ConnectionCounts {
  readonly busy: number
  readonly idle: number
}

/** The pools that undici's agents open, one per origin: the agents themselves can't all be asked. */
export class Pools {
  readonly #open = new Set<Pool>()

  /** Takes the place of undici's own factory. */
  readonly open = (origin: string | URL, options: object): Pool => {
    for (const pool of this.#open) if (pool.closed || pool.destroyed) this.#open.delete(pool)
    const pool = new Pool(origin, options)
    this.#open.add(pool)
    return pool
  }

  get counts(): ConnectionCounts {
    let busy = 0
    let open = 0
    for (const { stats } of this.#open) {
      open += stats.connected
      // One request at a time on each.
      busy += Math.min(stats.running, stats.connected)
    }
    return { busy, idle: open - busy }
  }
}

/** Of Node's own agents. */
export function countsOf(agents: readonly HttpAgent[]): ConnectionCounts {
  const count = (sockets: NodeJS.ReadOnlyDict<readonly unknown[]>) =>
    Object.values(sockets).reduce((sum, each) => sum + (each?.length ?? 0), 0)
  return {
    busy: agents.reduce((sum, { sockets }) => sum + count(sockets), 0),
    idle: agents.reduce((sum, { freeSockets }) => sum + count(freeSockets), 0),
  }
}
