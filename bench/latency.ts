import type { Contender, Place } from './contender.ts'
import type { Entrance } from './load/entrance.ts'
import { type Pace, searchPaced } from './load/paced.ts'
import { search, smallSearch } from './load/search.ts'
import { roundRobin } from './rounds.ts'
import { median, percentile } from './statistics.ts'
import { fewRequests } from './workloads.ts'

/** Milliseconds. */
export interface Percentiles {
  readonly p50: number
  readonly p99: number
  readonly p999: number
}

/**
 * Of one contender in one round, and of the way to the upstream with nothing between at the same
 * time.
 */
export interface Latency {
  readonly contender: string
  readonly through: Percentiles
  readonly straight: Percentiles
}

export interface LatencyResult extends Pace {
  readonly rounds: readonly (readonly Latency[])[]
}

/** At this pace most of the code is not used often enough in ten seconds to be compiled. */
const warmUpRequests = 10_000

export async function measureLatency(
  contenders: readonly Contender[],
  place: Place,
  straight: Entrance,
  { rounds, ...pace }: Pace & { readonly rounds: number },
): Promise<LatencyResult> {
  // Of the load and the upstream, once for all.
  await warmUp(straight, warmUpRequests, pace)
  const measured = await roundRobin(contenders, rounds, (contender) => latencyOf(contender, place, straight, pace))
  return { ...pace, rounds: measured }
}

async function latencyOf(contender: Contender, place: Place, straight: Entrance, pace: Pace): Promise<Latency> {
  const running = await contender.start(place)
  try {
    await warmUp(running, contender.compilesLate ? warmUpRequests : fewRequests, pace)
    const [through = [], direct = []] = await searchPaced([running, straight], pace)
    return { contender: contender.name, through: percentilesOf(through), straight: percentilesOf(direct) }
  } finally {
    await running.close()
  }
}

function warmUp(entrance: Entrance, times: number, { connections }: Pace): Promise<void> {
  return search(entrance, [entrance.url + smallSearch], { times, atOnce: connections })
}

function percentilesOf(times: readonly number[]): Percentiles {
  const at = (share: number) => percentile(times, share)
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) }
}

/**
 * Medians of a contender's rounds: its latencies, and what it adds to the straight way; undefined
 * if it was not measured.
 */
export function latenciesOf(
  { rounds }: LatencyResult,
  name: string,
): { through: Percentiles; straight: Percentiles; added: Percentiles } | undefined {
  const own = rounds.flatMap((round) => round.filter(({ contender }) => contender === name))
  if (own.length === 0) return undefined
  const middle = (figure: (latency: Latency, key: keyof Percentiles) => number): Percentiles => {
    const at = (key: keyof Percentiles) => median(own.map((latency) => figure(latency, key)))
    return { p50: at('p50'), p99: at('p99'), p999: at('p999') }
  }
  return {
    through: middle(({ through }, key) => through[key]),
    straight: middle(({ straight }, key) => straight[key]),
    added: middle(({ through, straight }, key) => through[key] - straight[key]),
  }
}
