import { ours } from './contenders.ts'
import { type Curve, mediansOf, steepness } from './curve.ts'
import type { IdleResult } from './idle.ts'
import { type LatencyResult, latenciesOf } from './latency.ts'
import type { MemoryResult } from './memory.ts'
import { orthancVerdicts } from './orthanc/results.ts'
import type { Results, WorkloadResult } from './results.ts'
import { costPerGiB, type Rounds, samplesOf } from './sample.ts'
import { median } from './statistics.ts'
import {
  idleTarget,
  latencyTargets,
  manyTarget,
  memoryTarget,
  refreshTarget,
  steepnessTarget,
  type Target,
  targets,
} from './targets.ts'
import type { Verdict } from './verdict.ts'

/** Verdicts on everything that was measured and has a target. */
export function verdictsOf(results: Results): readonly Verdict[] {
  const { workloads, latency, idle, curves, memory = [], tokenRequests, orthanc } = results
  return [
    ...targets.flatMap((target) => ratioVerdict(target, workloads)),
    ...(latency ? latencyVerdicts(latency) : []),
    ...workloads.filter(({ name }) => name.startsWith('many-')).flatMap(manyVerdict),
    ...(idle ? idleVerdict(idle) : []),
    ...curves.flatMap(curveVerdict),
    ...memory.map(memoryVerdict),
    ...(tokenRequests === undefined ? [] : [refreshVerdict(tokenRequests)]),
    ...(orthanc ? orthancVerdicts(orthanc) : []),
  ]
}

/**
 * Cost of one contender over that of another, round by round: what disturbs one round disturbs
 * both.
 */
export function ratiosOf(rounds: Rounds, own: string, rival: string): readonly number[] {
  return rounds.flatMap((samples) => {
    const [mine, theirs] = [own, rival].map((name) => samples.find(({ contender }) => contender === name))
    return mine && theirs ? [costPerGiB(mine) / costPerGiB(theirs)] : []
  })
}

export function ratioText(ratios: readonly number[]): string {
  if (ratios.length === 0) return ''
  return `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`
}

function ratioVerdict(
  { workload, rivals, rivalsTitle, atMost }: Target,
  workloads: readonly WorkloadResult[],
): readonly Verdict[] {
  const found = workloads.find(({ name }) => name === workload)
  const rival = found && cheapest(found.rounds, rivals)
  const ratios = rival ? ratiosOf(found.rounds, ours.name, rival) : []
  if (!found || ratios.length === 0) return []
  const name = `${workload}/${rivalsTitle ? 'best' : rival}`
  const what = `${found.title}: processor time, of ${rivalsTitle ? `${rivalsTitle} (${rival})` : rival}`
  return [{ name, what, figure: ratioText(ratios), target: `at most ${atMost}`, met: median(ratios) <= atMost }]
}

function cheapest(rounds: Rounds, names: readonly string[]): string | undefined {
  const costs = names
    .map((name) => ({ name, samples: samplesOf(rounds, name) }))
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, samples }) => ({ name, cost: median(samples.map(costPerGiB)) }))
  return costs.toSorted((a, b) => a.cost - b.cost)[0]?.name
}

function latencyVerdicts(latency: LatencyResult): readonly Verdict[] {
  const added = latenciesOf(latency, ours.name)?.added
  if (!added) return []
  const verdict = (key: 'p50' | 'p99', title: string) =>
    limit(`latency/${key}`, `Latency added at ${latency.rate} requests/s, ${title}`, added[key], latencyTargets[key], {
      unit: 'ms',
      digits: 2,
    })
  return [verdict('p50', 'median'), verdict('p99', '99th percentile')]
}

function manyVerdict({ name, title, rounds }: WorkloadResult): readonly Verdict[] {
  const peaks = samplesOf(rounds, ours.name).map(({ peakMemory }) => peakMemory)
  if (peaks.length === 0) return []
  return [limit(name, `${title}: peak memory`, median(peaks), manyTarget, { unit: 'MiB', digits: 0 })]
}

function idleVerdict({ rounds }: IdleResult): readonly Verdict[] {
  const own = rounds.flatMap((round) => round.filter(({ contender }) => contender === ours.name))
  if (own.length === 0) return []
  const figure = median(own.map(({ kibibytes }) => kibibytes))
  return [limit('idle', 'Memory of an idle connection', figure, idleTarget, { unit: 'KiB', digits: 1 })]
}

function curveVerdict(curve: Curve): readonly Verdict[] {
  const costs = mediansOf(curve, ours.name)
  const figure = steepness(costs)
  if (Number.isNaN(figure)) return []
  const from = `${curve.points.at(0)} to ${curve.points.at(-1)} ${curve.of}`
  return [limit(curve.of, `QIDO-RS of 50 bytes, ${from}: highest cost over the lowest`, figure, steepnessTarget)]
}

function memoryVerdict({ direction, difference }: MemoryResult): Verdict {
  const what = `${direction} of 2 GiB: peak memory above that of 64 MiB`
  return limit(`memory/${direction}`, what, difference, memoryTarget, { unit: 'MiB', digits: 1 })
}

function refreshVerdict(tokenRequests: number): Verdict {
  const what = 'Token requests when fifty requests meet a revoked token'
  const met = tokenRequests === refreshTarget
  return { name: 'refresh', what, figure: String(tokenRequests), target: String(refreshTarget), met }
}

function limit(name: string, what: string, figure: number, atMost: number, { unit = '', digits = 2 } = {}): Verdict {
  const text = (value: string) => `${value} ${unit}`.trim()
  const met = figure <= atMost
  return { name, what, figure: text(figure.toFixed(digits)), target: `at most ${text(String(atMost))}`, met }
}
