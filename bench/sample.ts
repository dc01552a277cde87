/** What one contender did in one round. */
export interface Sample {
  readonly contender: string
  readonly requests: number
  readonly bytes: number
  /** Processor time of the contender's processes, in microseconds. */
  readonly cpu: number
  /** On few cores this says as much of the load and the upstream as of the contender. */
  readonly seconds: number
  /** Highest resident memory of the contender's processes, in MiB. */
  readonly peakMemory: number
}

/** One workload's rounds: in each, every contender had its turn, in changing order. */
export type Rounds = readonly (readonly Sample[])[]

/** Microseconds. */
export function costPerRequest({ cpu, requests }: Sample): number {
  return cpu / requests
}

/** Seconds. */
export function costPerGiB({ cpu, bytes }: Sample): number {
  return cpu / 1e6 / (bytes / 1024 ** 3)
}

/** All samples of one contender. */
export function samplesOf(rounds: Rounds, name: string): readonly Sample[] {
  return rounds.flatMap((round) => round.filter(({ contender }) => contender === name))
}

/** Their names, in the order of the bench. */
export function contendersIn<Item extends { readonly contender: string }>(
  rounds: readonly (readonly Item[])[],
): readonly string[] {
  return (rounds[0] ?? []).map(({ contender }) => contender)
}
