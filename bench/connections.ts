import type { Contender, Place, RunningContender } from './contender.ts'
import type { Curve, CurveSample } from './curve.ts'
import { openPool, search, searchBy, smallSearch } from './load/search.ts'
import { rotated, roundRobin } from './rounds.ts'
import { fewRequests, warmUpRequests } from './workloads.ts'

const points = [1, 4, 16, 64, 256]
const requests = 6_000

/** What a small search costs while so many connections are busy. */
export async function measureConnections(
  contenders: readonly Contender[],
  place: Place,
  rounds: number,
): Promise<Curve> {
  const measured = await roundRobin(contenders, rounds, (contender, round) => curveOf(contender, place, round))
  return { of: 'connections', points, rounds: measured }
}

/** All in one process, so that differences between processes cause no slope. */
async function curveOf(contender: Contender, place: Place, round: number): Promise<CurveSample> {
  const running = await contender.start(place)
  try {
    const times = contender.compilesLate ? warmUpRequests : fewRequests
    await search(running, [running.url + smallSearch], { times, atOnce: 16 })
    const costs = new Map<number, number>()
    for (const connections of rotated(points, round)) costs.set(connections, await costAt(connections, running))
    return { contender: contender.name, costs: points.map((point) => costs.get(point) ?? Number.NaN) }
  } finally {
    await running.close()
  }
}

/** Of open connections, also on the upstream's side: the cost of opening them is not included. */
async function costAt(connections: number, running: RunningContender): Promise<number> {
  const pool = openPool(running, connections)
  const searches = (times: number) =>
    searchBy(pool, running, [running.url + smallSearch], { times, atOnce: connections })
  await searches(1_000 + 10 * connections)
  const before = running.usage().cpu
  await searches(requests)
  const after = running.usage().cpu
  await pool.close()
  return (after - before) / requests
}
