/** What our proxy may cost of what another contender costs, in the same run. */
export interface Target {
  readonly workload: string
  readonly rival: string
  readonly atMost: number
}

export const targets: readonly Target[] = [
  { workload: 'small', rival: 'http-proxy', atMost: 0.8 },
  { workload: 'down', rival: 'undici', atMost: 1.2 },
  { workload: 'up', rival: 'http-proxy', atMost: 1.2 },
]

/** MiB that 2 GiB may take above 64 MiB, in either direction. */
export const memoryTarget = 32
/** Token requests for fifty requests that meet a token which is no longer accepted. */
export const refreshTarget = 1
