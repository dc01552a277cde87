import type { Place } from './contender.ts'
import { ours } from './contenders.ts'
import { type Carry, retrieve, stow } from './load/body.ts'
import { median } from './statistics.ts'

/**
 * Peak resident memory of a fresh process that has carried one body, in MiB: of each size the
 * median of several processes.
 */
export interface MemoryResult {
  readonly direction: string
  readonly small: readonly number[]
  readonly large: readonly number[]
  readonly difference: number
}

const MiB = 1024 ** 2
const smallBody = 64 * MiB
const largeBody = 2048 * MiB

export async function measureMemory(place: Place, rounds: number): Promise<readonly MemoryResult[]> {
  return [await growth('WADO-RS', retrieve, place, rounds), await growth('STOW-RS', stow, place, rounds)]
}

async function growth(direction: string, carry: Carry, place: Place, rounds: number): Promise<MemoryResult> {
  const small: number[] = []
  const large: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    small.push(await peak(carry, smallBody, place))
    large.push(await peak(carry, largeBody, place))
  }
  return { direction, small, large, difference: median(large) - median(small) }
}

async function peak(carry: Carry, bytes: number, place: Place): Promise<number> {
  const proxy = await ours.start(place)
  try {
    await carry(proxy, bytes)
    return proxy.usage().peakMemory / MiB
  } finally {
    await proxy.close()
  }
}
