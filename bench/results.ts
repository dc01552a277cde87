import type { Machine } from './machine.ts'
import type { MemoryResult } from './memory.ts'
import { type OrthancResult, orthancVerdicts } from './orthanc/results.ts'
import type { Rounds } from './rounds.ts'
import { median } from './statistics.ts'
import { memoryTarget, refreshTarget, targets } from './targets.ts'

/** Everything that a run found out; absent is what was not run. */
export interface Results {
  readonly date: string
  readonly machine: Machine
  /** Of all contenders alike. */
  readonly nodeOptions: readonly string[]
  readonly rounds: number
  readonly workloads: readonly WorkloadResult[]
  readonly memory?: readonly MemoryResult[]
  readonly tokenRequests?: number
  readonly orthanc?: OrthancResult
}

export interface WorkloadResult {
  readonly name: string
  readonly title: string
  readonly unit: 'request' | 'GiB'
  readonly rounds: Rounds
}

export interface Verdict {
  readonly what: string
  readonly figure: string
  readonly target: string
  readonly met: boolean
}

export function verdictsOf(
  { workloads, memory = [], tokenRequests, orthanc }: Results,
  own: string,
): readonly Verdict[] {
  const verdicts: Verdict[] = []
  for (const { workload, rival, atMost } of targets) {
    const found = workloads.find(({ name }) => name === workload)
    const ratios = found ? ratiosOf(found.rounds, own, rival) : []
    if (found && ratios.length > 0) verdicts.push(ratioVerdict(`${found.title}: of ${rival}`, ratios, atMost))
  }
  for (const { direction, difference } of memory) verdicts.push(memoryVerdict(direction, difference))
  if (tokenRequests !== undefined) verdicts.push(refreshVerdict(tokenRequests))
  if (orthanc) verdicts.push(...orthancVerdicts(orthanc))
  return verdicts
}

/** Cost of one contender over that of another, round by round: what disturbs one round disturbs both. */
export function ratiosOf(rounds: Rounds, own: string, rival: string): readonly number[] {
  return rounds.flatMap((samples) => {
    const [mine, theirs] = [own, rival].map((name) => samples.find(({ contender }) => contender === name)?.cost)
    return mine !== undefined && theirs !== undefined ? [mine / theirs] : []
  })
}

function ratioVerdict(what: string, ratios: readonly number[], atMost: number): Verdict {
  const middle = median(ratios)
  const range = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`
  return { what, figure: `${middle.toFixed(2)} (${range})`, target: `at most ${atMost}`, met: middle <= atMost }
}

function memoryVerdict(direction: string, difference: number): Verdict {
  const what = `${direction} of 2 GiB: peak memory above that of 64 MiB`
  return {
    what,
    figure: `${difference.toFixed(1)} MiB`,
    target: `at most ${memoryTarget} MiB`,
    met: difference <= memoryTarget,
  }
}

function refreshVerdict(tokenRequests: number): Verdict {
  const what = 'Token requests when fifty requests meet a revoked token'
  return { what, figure: String(tokenRequests), target: String(refreshTarget), met: tokenRequests === refreshTarget }
}
