import { setTimeout as delay } from 'node:timers/promises'
import type { Spawned } from '../spawned.ts'
import type { Footprint } from './footprint-probe.ts'

/**
 * Idle connections to Google stay open for 30 s, and timers of the token cache run for a minute.
 */
const maxWaitMs = 120_000

/**
 * The footprint of a quiescent process: no more sockets than these, and the same number of
 * everything in two samples, a second apart. After the maximum wait, the footprint at that time.
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
