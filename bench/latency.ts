import type { Contender, Place } from './contender.ts'
import type { Entrance } from './load/entrance.ts'
import { type Pace, searchPaced } from './load/paced.ts'
import { search, smallSearch } from './load/search.ts'
import { inTurn } from './rounds.ts'
import { median, percentile } from './statistics.ts'
import { fewRequests } from './workloads.ts'

/** Milliseconds of one contender in one round; of `straight`, without any. */
export interface Latency {
  readonly contender: string
  readonly p50: number
  readonly p99: number
  readonly p999: number
}

export interface LatencyResult extends Pace {
  readonly rounds: readonly (readonly Latency[])[]
}

/** The way to the upstream with nothing between. */
export const straightName = 'straight'
/** At this pace most of the code is not used often enough in ten seconds to be compiled. */
const warmUpRequests = 10_000

export async function measureLatency(
  contenders: readonly Contender[],
  place: Place,
  straight: Entrance,
  { rounds, ...pace }: Pace & { readonly rounds: number },
): Promise<LatencyResult> {
  const ways = [null, ...contenders]
  const measured = await inTurn(ways, rounds, (contender) =>
    contender ? through(contender, place, pace) : latencyOf(straightName, straight, fewRequests, pace),
  )
  return { ...pace, rounds: measured }
}

async function through(contender: Contender, place: Place, pace: Pace): Promise<Latency> {
  const running = await contender.start(place)
  try {
    return await latencyOf(contender.name, running, contender.compilesLate ? warmUpRequests : fewRequests, pace)
  } finally {
    await running.close()
  }
}

async function latencyOf(contender: string, entrance: Entrance, warmUp: number, pace: Pace): Promise<Latency> {
  await search(entrance, [entrance.url + smallSearch], { times: warmUp, atOnce: pace.connections })
  const times = await searchPaced(entrance, pace)
  const at = (share: number) => percentile(times, share)
  return { contender, p50: at(0.5), p99: at(0.99), p999: at(0.999) }
}

/** What a contender adds to the straight way, each percentile as the median of the rounds; undefined if it was not measured. */
export function addedLatencies({ rounds }: LatencyResult, name: string): Omit<Latency, 'contender'> | undefined {
  const pairs = rounds.flatMap((round) => {
    const [straight, own] = [straightName, name].map((each) => round.find(({ contender }) => contender === each))
    return straight && own ? [{ straight, own }] : []
  })
  if (pairs.length === 0) return undefined
  const added = (key: 'p50' | 'p99' | 'p999') => median(pairs.map(({ straight, own }) => own[key] - straight[key]))
  return { p50: added('p50'), p99: added('p99'), p999: added('p999') }
}
