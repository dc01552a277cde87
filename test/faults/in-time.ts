import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'

/**
 * Milliseconds that this process may be late: a busy machine is not what is tested, and limits of
 * time mean nothing then.
 */
const maxLateMs = 100
const maxRuns = 5

/**
 * What a run observes; of one more run, where one came out otherwise than expected while this
 * process was late.
 */
export async function observeInTime<Observed>(expected: Observed, run: () => Promise<Observed>): Promise<Observed> {
  for (let runs = 1; ; runs++) {
    await quiescence()
    const lateness = monitorEventLoopDelay({ resolution: 10 })
    lateness.enable()
    const observed = await run()
    lateness.disable()
    const isLate = lateness.max / 1e6 > maxLateMs
    if (isDeepStrictEqual(observed, expected) || !isLate || runs === maxRuns) return observed
  }
}

/** Resolves when this process keeps up. */
async function quiescence(): Promise<void> {
  for (let late = Number.POSITIVE_INFINITY; late > maxLateMs / 5; ) {
    const before = performance.now()
    await delay(5)
    late = performance.now() - before - 5
  }
}

/** Does the work for all of the items, so many at once. */
export async function forAll<Item>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = [...items]
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
