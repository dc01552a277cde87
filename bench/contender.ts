import type { Entrance } from './load/entrance.ts'
import type { Usage } from './process-usage.ts'

/** A program that could stand between Orthanc and Google. */
export interface Contender {
  readonly name: string
  /** Node compiles a program while it runs: it has to be warm before it is measured. */
  readonly compilesLate: boolean
  /**
   * Of the program or package as installed here; empty: it has none of its own; null: it is not
   * installed.
   */
  version(): string | null
  start(place: Place): Promise<RunningContender>
}

/** Where contenders run. */
export interface Place {
  /** A folder that they may write to. */
  readonly folder: string
  /** JSON of an `Upstream`. */
  readonly upstreamFile: string
  /** The Node that Node programs run with. */
  readonly node: string
  readonly nodeOptions: readonly string[]
}

export interface RunningContender extends Entrance {
  usage(): Usage
  close(): Promise<void>
}
