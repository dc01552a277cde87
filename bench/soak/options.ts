import { parseArgs } from 'node:util'

export interface SoakOptions {
  /** How long traffic and faults last. */
  readonly minutes: number
  /**
   * Of all random choices; what follows from the order of events on the machine is not repeated.
   */
  readonly seed: number
  /** The result goes into the repository only if everything was run as it is by default. */
  readonly save: boolean
}

export const usage = `npm run soak -- [options]
  --minutes 10   how long traffic and faults last
  --seed N       of the random choices; otherwise another one each time
Without --minutes, the result is written to bench/results.
`

export function readOptions(args: string[]): SoakOptions {
  const { values } = parseArgs({ args, options: { minutes: { type: 'string' }, seed: { type: 'string' } } })
  return {
    minutes: number(values.minutes ?? '10'),
    seed: number(values.seed ?? String(1 + Math.floor(Math.random() * 1_000_000))),
    save: values.minutes === undefined,
  }
}

function number(text: string): number {
  const value = Number(text)
  if (/^[\d.]+$/.test(text) && value > 0) return value
  throw new Error(`Not a number above 0: ${text}`)
}
