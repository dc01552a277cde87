import { measureAccounts } from './accounts.ts'
import { measureConnections } from './connections.ts'
import type { Contender } from './contender.ts'
import type { Environment } from './environment.ts'
import { measureIdle } from './idle.ts'
import { measureLatency } from './latency.ts'
import { measureMemory } from './memory.ts'
import type { Options } from './options.ts'
import { measureOrthanc } from './orthanc/rounds.ts'
import { countRefreshes } from './refresh.ts'
import type { Results } from './results.ts'
import { measure } from './rounds.ts'
import { type Workload, workloadsOf } from './workloads.ts'

/** One part of a run: adds what it has found out to the results. */
export interface Measurement {
  readonly name: string
  readonly title: string
  /** It has no rivals. */
  readonly oursOnly: boolean
  run(results: Results, among: Among): Promise<Results>
}

export interface Among {
  readonly contenders: readonly Contender[]
  readonly environment: Environment
}

/** In this order. */
export function measurementsOf(options: Options): readonly Measurement[] {
  const { rounds, seconds, connections } = options
  const pace = { rate: 200, seconds, connections, rounds: rounds ?? 3 }
  return [
    ...workloadsOf(options).map(ofWorkload),
    {
      name: 'latency',
      title: `Latency at ${pace.rate} requests/s`,
      oursOnly: false,
      run: async (results, { contenders, environment: { place, direct } }) => ({
        ...results,
        latency: await measureLatency(contenders, place, direct, pace),
      }),
    },
    {
      name: 'idle',
      title: 'Memory of idle connections',
      oursOnly: false,
      run: async (results, { contenders, environment: { place } }) => ({
        ...results,
        idle: await measureIdle(contenders, place, rounds ?? 2),
      }),
    },
    {
      name: 'connections',
      title: 'QIDO-RS of 50 bytes over the number of connections',
      oursOnly: false,
      run: async (results, { contenders, environment: { place } }) => ({
        ...results,
        curves: [...results.curves, await measureConnections(contenders, place, rounds ?? 2)],
      }),
    },
    {
      name: 'accounts',
      title: 'QIDO-RS of 50 bytes over the number of accounts',
      oursOnly: true,
      run: async (results, { environment: { place } }) => ({
        ...results,
        curves: [...results.curves, await measureAccounts(place, rounds ?? 3)],
      }),
    },
    {
      name: 'memory',
      title: 'Peak memory of one body of 2 GiB',
      oursOnly: true,
      run: async (results, { environment: { place } }) => ({ ...results, memory: await measureMemory(place, 3) }),
    },
    // Measurements with other contenders must come before this one, which revokes the token in
    // their configuration.
    {
      name: 'refresh',
      title: 'Token requests',
      oursOnly: true,
      run: async (results, { environment: { place, upstream } }) => ({
        ...results,
        tokenRequests: await countRefreshes(place, upstream),
      }),
    },
    {
      name: 'orthanc',
      title: 'With a real Orthanc',
      oursOnly: true,
      run: async (results, { environment: { place } }) => {
        const orthanc = await measureOrthanc(place, rounds ?? 9)
        return { ...results, ...(orthanc && { orthanc }) }
      },
    },
  ]
}

function ofWorkload(workload: Workload): Measurement {
  const { name, title } = workload
  return {
    name,
    title,
    oursOnly: false,
    run: async (results, { contenders, environment: { place } }) => {
      const rounds = await measure(workload, contenders, place)
      return { ...results, workloads: [...results.workloads, { name, title, rounds }] }
    },
  }
}
