import type { RunningContender } from './contender.ts'
import type { Workload } from './workloads.ts'

/** What one contender did in one round. */
export interface Sample {
  readonly contender: string
  /** Processor time of the contender's process per unit of the workload: microseconds per request, or seconds per GiB. */
  readonly cost: number
  /** Requests or MiB per second. On few cores this says as much of the load and the upstream as of the contender. */
  readonly throughput: number
}

/** One workload's rounds: in each, every contender had its turn, in changing order. */
export type Rounds = readonly (readonly Sample[])[]

export async function measure(
  workload: Workload,
  contenders: readonly RunningContender[],
  rounds: number,
): Promise<Rounds> {
  for (const { url } of contenders) await workload.warmUp(url)
  const all: Sample[][] = []
  for (let round = 0; round < rounds; round += 1) {
    const samples: Sample[] = []
    for (const contender of rotated(contenders, round)) samples.push(await sample(workload, contender))
    all.push(samples)
  }
  return all
}

async function sample({ run, amount, unit }: Workload, contender: RunningContender): Promise<Sample> {
  const before = await contender.usage()
  const startedAt = performance.now()
  await run(contender.url)
  const seconds = (performance.now() - startedAt) / 1000
  const cpu = (await contender.usage()).cpu - before.cpu
  const isRequests = unit === 'request'
  return {
    contender: contender.name,
    cost: (isRequests ? cpu : cpu / 1e6) / amount,
    throughput: (isRequests ? amount : amount * 1024) / seconds,
  }
}

function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const at = by % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}
