import { setTimeout as delay } from 'node:timers/promises'
import type { Fault } from '../../src/emulator/emulator.ts'
import type { Random } from './random.ts'

type Effect = Omit<Fault, 'target' | 'store' | 'times'>
type Service = Exclude<Fault['target'], 'token'>

/** From one set of faults to the next. */
const intervalMs = 100

/** Injects random faults into the emulator until the signal aborts, and then removes them. */
export async function injectFaults(
  emulatorUrl: string,
  stores: readonly [string, ...string[]],
  random: Random,
  ended: AbortSignal,
): Promise<void> {
  const ask = (method: string, path: string, body?: object) => control(`${emulatorUrl}/emulator/${path}`, method, body)
  while (!ended.aborted) {
    await ask(
      'PUT',
      'faults',
      Array.from({ length: random.int(2, 6) }, () => fault(stores, random)),
    )
    if (random.chance(0.02)) await ask('POST', `tokens/${random.pick(['revoke', 'expire'])}`)
    await delay(intervalMs)
  }
  await ask('DELETE', 'faults')
}

/** Of the emulator. */
export async function control(url: string, method: string, body?: object): Promise<void> {
  const response = await fetch(url, { method, ...(body && { body: JSON.stringify(body) }) })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`${method} ${url} got status ${response.status}`)
}

function fault(stores: readonly [string, ...string[]], random: Random): Fault {
  const times = random.int(1, 2)
  if (random.chance(0.008)) return { target: 'token', times, ...random.pick(tokenEffects) }
  const target = random.pick<Service>(['STOW-RS', 'STOW-RS', 'WADO-RS', 'WADO-RS', 'QIDO-RS', 'DELETE'])
  return { target, store: random.pick(stores), times, ...effect(target, random) }
}

const tokenEffects: readonly [Effect, ...Effect[]] = [
  { status: 500 },
  { status: 503 },
  { resetBefore: true },
  { delay: 800 },
  { garbage: true },
]

function effect(target: Service, random: Random): Effect {
  const every: readonly [readonly [number, Effect], ...(readonly [number, Effect])[]] = [
    [2, { status: 429, ...(random.chance(0.5) && { headers: { 'retry-after': '1' } }) }],
    [2, { status: 503 }],
    [2, { status: 500 }],
    [1, { status: random.pick([403, 408, 502, 504]) }],
    [3, { resetBefore: true }],
    [3, { lateReset: true }],
    [2, { resetInHead: true }],
    [3, { resetAfterHeaders: true }],
    [4, { truncate: random.pick([1, 100, 20_000]) }],
    [2, { stall: random.pick([0, 100, 20_000]) }],
    [1, { hang: true }],
    [2, { delay: random.int(50, 1_500) }],
    [2, { bandwidth: random.pick([300_000, 1_000_000]) }],
    [1, { brokenChunking: true }],
    [1, { informational: 103 }],
    [1, { hugeHeaders: random.pick([4_096, 65_536]) }],
    [1, { invalidHeaderBytes: true }],
  ]
  if (target !== 'STOW-RS') return random.weighted(every)
  return random.weighted([
    ...every,
    [4, { resetDuring: random.pick([1, 10_000, 500_000, 2_000_000]) }],
    [3, { earlyResponse: random.pick([403, 413, 429, 503]) }],
    [2, { uploadBandwidth: random.pick([300_000, 1_000_000]) }],
  ])
}
