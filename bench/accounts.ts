import type { Place } from './contender.ts'
import { ours, oursWith } from './contenders.ts'
import type { Curve } from './curve.ts'
import { openPool, searchBy, smallSearch } from './load/search.ts'
import { roundRobin } from './rounds.ts'
import { warmUpRequests } from './workloads.ts'

const points = [1, 200]
const requests = 15_000
const connections = 16

/** What a small search costs our proxy while so many accounts are used by turns. */
export async function measureAccounts(place: Place, rounds: number): Promise<Curve> {
  const measured = await roundRobin(points, rounds, (accounts) => costWith(accounts, place))
  return { of: 'accounts', points, rounds: measured.map((costs) => [{ contender: ours.name, costs }]) }
}

async function costWith(accounts: number, place: Place): Promise<number> {
  const running = await oursWith(accounts).start(place)
  try {
    const urls = Array.from({ length: accounts }, (_, at) => running.url.replace(/-1\/$/, `-${at + 1}/`) + smallSearch)
    const pool = openPool(running, connections)
    await searchBy(pool, running, urls, { times: warmUpRequests, atOnce: connections })
    const before = running.usage().cpu
    await searchBy(pool, running, urls, { times: requests, atOnce: connections })
    const after = running.usage().cpu
    await pool.close()
    return (after - before) / requests
  } finally {
    await running.close()
  }
}
