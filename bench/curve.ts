import { median } from './statistics.ts'

/** Processor time per small search, in microseconds, over a number of something. */
export interface Curve {
  /** Of what: connections, or accounts. */
  readonly of: string
  /** The numbers of it. */
  readonly points: readonly number[]
  /** In each, every contender's costs at the points. */
  readonly rounds: readonly (readonly CurveSample[])[]
}

export interface CurveSample {
  readonly contender: string
  readonly costs: readonly number[]
}

/** Medians of a contender's costs at the points. */
export function mediansOf({ points, rounds }: Curve, name: string): readonly number[] {
  const samples = rounds.flatMap((round) => round.filter(({ contender }) => contender === name))
  return points.map((_, at) => median(samples.map(({ costs }) => costs[at] ?? Number.NaN)))
}

/** The highest cost over the lowest: 1 is flat. */
export function steepness(costs: readonly number[]): number {
  return Math.max(...costs) / Math.min(...costs)
}
