import { setTimeout as delay } from 'node:timers/promises'
import type { Spawned } from '../spawned.ts'
import type { Footprint } from './footprint-probe.ts'

/**
 * Milliseconds. Idle connections to Google are kept for 30 s, and timers of the token cache run for
 * a minute.
 */
const maxWaitMs = 120_000

/**
 * The footprint of a process that has come to rest: no more sockets than these, and the same number
 * of everything in two looks, a second apart. After the longest wait, whatever it holds then.
 */
export async function untilQuiescent(spawned: Spawned, sockets: number): Promise<Footprint> {
  const deadline = performance.now() + maxWaitMs
  let last = await spawned.ask<Footprint>('footprint')
  for (;;) {
    await delay(1_000)
    const next = await spawned.ask<Footprint>('footprint')
    const isQuiescent = next.sockets <= sockets && sameResources(last, next)
    if (isQuiescent || performance.now() > deadline) return next
    last = next
  }
}

function sameResources(one: Footprint, other: Footprint): boolean {
  return JSON.stringify(one.resources) === JSON.stringify(other.resources)
}
