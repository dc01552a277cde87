import type { Curve } from './curve.ts'
import type { IdleResult } from './idle.ts'
import type { LatencyResult } from './latency.ts'
import type { Machine } from './machine.ts'
import type { MemoryResult } from './memory.ts'
import type { OrthancResult } from './orthanc/results.ts'
import type { Rounds } from './sample.ts'

/** Everything that a run found out; absent is what was not run. */
export interface Results {
  readonly date: string
  readonly machine: Machine
  /** Of the machine, over one minute, before it began. */
  readonly load: number
  /** Of all Node contenders alike. */
  readonly nodeOptions: readonly string[]
  /** Of the contenders that were installed already, by name. */
  readonly versions: Readonly<Record<string, string>>
  /** Contenders that are not installed. */
  readonly missing: readonly string[]
  /** What could not be measured, and why. */
  readonly failures: readonly string[]
  /** False: the run was interrupted, or is still going on. */
  readonly finished: boolean
  readonly minutes: number
  readonly workloads: readonly WorkloadResult[]
  readonly latency?: LatencyResult
  readonly idle?: IdleResult
  readonly curves: readonly Curve[]
  readonly memory?: readonly MemoryResult[]
  readonly tokenRequests?: number
  readonly orthanc?: OrthancResult
}

export interface WorkloadResult {
  readonly name: string
  readonly title: string
  readonly rounds: Rounds
}
