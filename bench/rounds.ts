import type { Contender, Place } from './contender.ts'
import type { Workload } from './workloads.ts'

/** What one contender did in one round. */
export interface Sample {
  readonly contender: string
  /** Processor time of the contender's process per unit of the workload: microseconds per request, or seconds per GiB. */
  readonly cost: number
  /** Requests or MiB per second. On few cores this says as much of the load and the upstream as of the contender. */
  readonly throughput: number
  /** Highest resident memory of the contender's process, in MiB. */
  readonly peakMemory: number
}

/** One workload's rounds: in each, every contender had its turn, in changing order. */
export type Rounds = readonly (readonly Sample[])[]

/**
 * A process of its own for every sample: whether V8 frees buffers young (cheap) or old (dear) is settled early in the
 * life of a process and stays so, and one process per contender would make that the result.
 */
export async function measure(
  workload: Workload,
  contenders: readonly Contender[],
  place: Place,
  rounds: number,
): Promise<Rounds> {
  const all: Sample[][] = []
  for (let round = 0; round < rounds; round += 1) {
    const samples: Sample[] = []
    for (const contender of rotated(contenders, round)) samples.push(await sample(workload, contender, place))
    all.push(samples)
  }
  return all
}

async function sample(workload: Workload, contender: Contender, place: Place): Promise<Sample> {
  const running = await contender.start(place)
  try {
    await workload.warmUp(running.url)
    const before = await running.usage()
    const startedAt = performance.now()
    await workload.run(running.url)
    const seconds = (performance.now() - startedAt) / 1000
    const { cpu, peakMemory } = await running.usage()
    const figures = figuresOf(workload, cpu - before.cpu, seconds)
    return { contender: contender.name, ...figures, peakMemory: peakMemory / 1024 ** 2 }
  } finally {
    await running.close()
  }
}

function figuresOf({ amount, unit }: Workload, cpu: number, seconds: number) {
  if (unit === 'request') return { cost: cpu / amount, throughput: amount / seconds }
  return { cost: cpu / 1e6 / amount, throughput: (amount * 1024) / seconds }
}

function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const at = by % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}
