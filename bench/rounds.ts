import type { Contender, Place } from './contender.ts'
import type { Rounds, Sample } from './sample.ts'
import type { Workload } from './workloads.ts'

/**
 * Every sample has its own process: whether V8 frees buffers young (cheap) or old (expensive) is
 * decided early in the life of a process, and one process per contender would measure just that.
 */
export function measure(workload: Workload, contenders: readonly Contender[], place: Place): Promise<Rounds> {
  return roundRobin(contenders, workload.rounds, (contender) => sample(workload, contender, place))
}

/**
 * Round by round, each time beginning with another one. Results stand in the order of the items.
 */
export async function roundRobin<Item, Result>(
  items: readonly Item[],
  rounds: number,
  action: (item: Item, round: number) => Promise<Result>,
): Promise<readonly (readonly Result[])[]> {
  const all: Result[][] = []
  for (let round = 0; round < rounds; round += 1) {
    const results = new Map<Item, Result>()
    for (const item of rotated(items, round)) results.set(item, await action(item, round))
    all.push(items.map((item) => results.get(item) as Result))
  }
  return all
}

async function sample(workload: Workload, contender: Contender, place: Place): Promise<Sample> {
  const running = await contender.start(place)
  try {
    await workload.warmUp(running, contender)
    const amount = workload.amountFor(contender)
    const before = running.usage()
    const startedAt = performance.now()
    await workload.run(running, amount)
    const seconds = (performance.now() - startedAt) / 1000
    const { cpu, peakMemory } = running.usage()
    return { contender: contender.name, ...amount, cpu: cpu - before.cpu, seconds, peakMemory: peakMemory / 1024 ** 2 }
  } catch (cause) {
    throw new Error(`${contender.name} failed at: ${workload.title}`, { cause })
  } finally {
    await running.close()
  }
}

export function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const at = by % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}
