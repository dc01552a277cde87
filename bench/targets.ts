import { bareNode } from './contenders.ts'

/** What our proxy may cost of what another contender costs, in the same run. */
export interface Target {
  readonly workload: string
  /** Of several, the cheapest. */
  readonly rivals: readonly string[]
  /** How several are called together. */
  readonly rivalsTitle?: string
  readonly atMost: number
}

const bestBareNode = { rivals: bareNode.map(({ name }) => name), rivalsTitle: 'the best bare Node contender' }

export const targets: readonly Target[] = [
  { workload: 'small', rivals: ['caddy'], atMost: 1.0 },
  { workload: 'small', rivals: ['http-proxy'], atMost: 0.6 },
  { workload: 'small', rivals: ['undici'], atMost: 1.5 },
  { workload: 'down', ...bestBareNode, atMost: 1.0 },
  { workload: 'up', ...bestBareNode, atMost: 1.0 },
]

/** Milliseconds that may be added to the upstream's own. */
export const latencyTargets = { p50: 0.5, p99: 3 }
/** MiB, while sixteen bodies pass. */
export const manyTarget = 256
/** KiB of each idle connection. */
export const idleTarget = 32
/** Highest cost of a request over the lowest, at all numbers of connections, and of accounts. */
export const steepnessTarget = 1.15
/** MiB that 2 GiB may take above 64 MiB, in either direction. */
export const memoryTarget = 32
/** Token requests for fifty requests that meet a revoked token. */
export const refreshTarget = 1
