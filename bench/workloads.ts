import type { Contender } from './contender.ts'
import { ours } from './contenders.ts'
import { type Carry, retrieve, retrieveInstances, stow } from './load/body.ts'
import type { Entrance } from './load/entrance.ts'
import { largeSearch, search, smallSearch } from './load/search.ts'
import { retrieveSlowly } from './load/slow.ts'
import type { Options } from './options.ts'
import { largeSearchBytes } from './store.ts'

const KiB = 1024
const MiB = 1024 ** 2
/**
 * From here on the cost of a request hardly falls any more; a server runs for weeks, not for its
 * first seconds.
 */
export const warmUpRequests = 30_000
/** For a compiled program: until its connections are open. */
export const fewRequests = 1_000
const warmUpBytes = 128 * MiB
const warmUpObjects = 300
/**
 * For other programs, where sixteen bodies pass at once: enough to see their cost in short time.
 */
const rivalsManyMiB = 64

/** How much one round is. */
export interface Amount {
  readonly requests: number
  readonly bytes: number
}

/** Something that is done to each contender in turn, for the same number of rounds. */
export interface Workload {
  readonly name: string
  readonly title: string
  readonly rounds: number
  amountFor(contender: Contender): Amount
  run(entrance: Entrance, amount: Amount): Promise<void>
  /** Before it: until connections are open and code is compiled. */
  warmUp(entrance: Entrance, contender: Contender): Promise<void>
}

export function workloadsOf(options: Options): readonly Workload[] {
  const { requests, connections, mebibytes, manyMebibytes } = options
  const workloads: readonly Workload[] = [
    smallSearches(requests, connections),
    largeSearches(mebibytes, connections),
    objects('instance', 'WADO-RS of an instance', retrieveInstances, mebibytes),
    body('down', 'WADO-RS of a study', retrieve, mebibytes),
    objects('stow', 'STOW-RS', stow, mebibytes),
    body('up', 'STOW-RS', stow, mebibytes),
    slowClients(),
    many('many-down', 'WADO-RS', retrieve, manyMebibytes),
    many('many-up', 'STOW-RS', stow, manyMebibytes),
  ]
  return workloads.map((workload) => ({ ...workload, rounds: options.rounds ?? workload.rounds }))
}

function smallSearches(requests: number, connections: number): Workload {
  return {
    name: 'small',
    title: `QIDO-RS of 50 bytes, ${connections} connections`,
    rounds: 5,
    amountFor: () => ({ requests, bytes: requests * 50 }),
    run: (entrance) => search(entrance, [entrance.url + smallSearch], { times: requests, atOnce: connections }),
    warmUp: (entrance, { compilesLate }) =>
      search(entrance, [entrance.url + smallSearch], {
        times: compilesLate ? warmUpRequests : fewRequests,
        atOnce: connections,
      }),
  }
}

function largeSearches(mebibytes: number, connections: number): Workload {
  const requests = Math.ceil((mebibytes * MiB) / 2 / largeSearchBytes)
  const run = (entrance: Entrance, times: number) =>
    search(entrance, [entrance.url + largeSearch], { times, atOnce: connections })
  return {
    name: 'json',
    title: `QIDO-RS of ${largeSearchBytes / KiB} KiB, ${connections} connections`,
    rounds: 2,
    amountFor: () => ({ requests, bytes: requests * largeSearchBytes }),
    run: (entrance) => run(entrance, requests),
    warmUp: (entrance) => run(entrance, Math.min(requests, warmUpObjects)),
  }
}

function objects(name: string, title: string, carry: Carry, mebibytes: number): Workload {
  const [size, atOnce] = [512 * KiB, 4]
  const requests = Math.ceil((mebibytes * MiB) / 2 / size)
  return {
    name,
    title: `${title} of 512 KiB, ${atOnce} connections`,
    rounds: 2,
    amountFor: () => ({ requests, bytes: requests * size }),
    run: (entrance) => carry(entrance, size, { times: requests, atOnce }),
    warmUp: (entrance) => carry(entrance, size, { times: Math.min(requests, warmUpObjects), atOnce }),
  }
}

function body(name: string, title: string, carry: Carry, mebibytes: number): Workload {
  const bytes = mebibytes * MiB
  return {
    name,
    title: `${title} of ${mebibytes} MiB, chunked`,
    rounds: 3,
    amountFor: () => ({ requests: 1, bytes }),
    run: (entrance) => carry(entrance, bytes),
    warmUp: (entrance) => carry(entrance, Math.min(bytes, warmUpBytes)),
  }
}

/** Larger than what the kernel keeps for a slow reader, so that the proxy is slowed down, too. */
function slowClients(): Workload {
  const slowness = { clients: 64, bytes: 8 * MiB, rate: 2 * MiB }
  return {
    name: 'slow',
    title: 'WADO-RS of 8 MiB by 64 clients at once, each reading 2 MiB/s',
    rounds: 2,
    amountFor: () => ({ requests: slowness.clients, bytes: slowness.clients * slowness.bytes }),
    run: (entrance) => retrieveSlowly(entrance, slowness),
    warmUp: (entrance) => retrieve(entrance, warmUpBytes),
  }
}

function many(name: string, title: string, carry: Carry, mebibytes: number): Workload {
  const atOnce = 16
  const rivals = Math.min(rivalsManyMiB, mebibytes)
  return {
    name,
    title: `${title} of ${mebibytes} MiB, ${atOnce} at once (others than ours: ${rivals} MiB)`,
    rounds: 1,
    amountFor: ({ name }) => ({
      requests: atOnce,
      bytes: atOnce * MiB * (name === ours.name ? mebibytes : rivals),
    }),
    run: (entrance, { bytes }) => carry(entrance, bytes / atOnce, { times: atOnce, atOnce }),
    warmUp: (entrance) => carry(entrance, Math.min(mebibytes * MiB, warmUpBytes)),
  }
}
