import { retrieve, search, stow } from './load.ts'
import type { Options } from './options.ts'

const GiB = 1024 ** 3
/** From here on the cost of a request hardly falls any more; a server runs for weeks, not for its first seconds. */
const warmUpRequests = 30_000

/** Something that is done to each contender in turn, for the same number of rounds. */
export interface Workload {
  readonly name: string
  readonly title: string
  /** How much one round is, in units. */
  readonly amount: number
  readonly unit: 'request' | 'GiB'
  run(url: string): Promise<void>
  /** Before it: until the code is compiled. */
  warmUp(url: string): Promise<void>
}

export function workloadsOf({ requests, connections, mebibytes }: Options): readonly Workload[] {
  const bytes = mebibytes * 1024 ** 2
  const bulk = { amount: bytes / GiB, unit: 'GiB' } as const
  return [
    {
      name: 'small',
      title: `QIDO-RS of 50 bytes, ${connections} connections`,
      amount: requests,
      unit: 'request',
      run: (url) => search(url, { requests, connections }),
      warmUp: (url) => search(url, { requests: warmUpRequests, connections }),
    },
    {
      name: 'down',
      title: `WADO-RS of ${mebibytes} MiB`,
      ...bulk,
      run: (url) => retrieve(url, bytes),
      warmUp: (url) => retrieve(url, Math.min(bytes, GiB / 8)),
    },
    {
      name: 'up',
      title: `STOW-RS of ${mebibytes} MiB, chunked`,
      ...bulk,
      run: (url) => stow(url, bytes),
      warmUp: (url) => stow(url, Math.min(bytes, GiB / 8)),
    },
  ]
}
