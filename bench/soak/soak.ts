import { setTimeout as delay } from 'node:timers/promises'
import { type Audit, audit } from './audit.ts'
import { Client } from './client.ts'
import { Counters } from './counters.ts'
import type { SoakEnvironment } from './environment.ts'
import { injectFaults } from './fault-injector.ts'
import type { Footprint } from './footprint-probe.ts'
import { Ledger } from './ledger.ts'
import type { SoakOptions } from './options.ts'
import { untilQuiescent } from './quiescence.ts'
import { Random } from './random.ts'

export interface SoakResult {
  readonly minutes: number
  readonly seed: number
  readonly accounts: number
  readonly clients: number
  readonly counts: Counters['counts']
  readonly duplicates: Counters['duplicates']
  /** Instances that a batch failed with. */
  readonly failures: number
  readonly requests: number
  readonly audit: Audit
  /** Of the proxy, at rest: after the warm-up, in the middle, and after the end. */
  readonly before: Footprint
  readonly midway: Footprint
  readonly after: Footprint
  readonly violations: readonly string[]
}

const clientsPerAccount = 8
/** Of the same traffic, so that code is compiled, and every account has a token. Milliseconds. */
const warmUp = 20_000
/** Those of the two listeners, and of the channel to this process. */
const restingSockets = 3

export async function soak(
  { minutes, seed }: SoakOptions,
  environment: SoakEnvironment,
  inform: (what: string) => void,
): Promise<SoakResult> {
  const { proxy, accounts, folderOf } = environment
  const counters = new Counters()
  const ledger = new Ledger()
  inform('warm-up')
  await traffic(environment, ledger, counters, seed, warmUp)
  const before = await untilQuiescent(proxy, restingSockets)
  inform(`${minutes} minutes of traffic and faults, at rest once in the middle`)
  await traffic(environment, ledger, counters, seed + 1, minutes * 30_000)
  const midway = await untilQuiescent(proxy, restingSockets)
  await traffic(environment, ledger, counters, seed + 2, minutes * 30_000)
  inform('coming to rest')
  const after = await untilQuiescent(proxy, restingSockets)
  inform('reading the stores')
  const audited = await audit(ledger.studies, folderOf, counters)
  const { counts, total, violations, duplicates, failures } = counters
  const clients = accounts.size * clientsPerAccount
  return {
    minutes,
    seed,
    accounts: accounts.size,
    clients,
    counts,
    duplicates,
    failures,
    requests: total,
    audit: audited,
    before,
    midway,
    after,
    violations,
  }
}

/**
 * All clients and the faults, for so many milliseconds; resolves when the last request has ended.
 */
async function traffic(
  { accounts, inBatches, emulatorUrl, stores }: SoakEnvironment,
  ledger: Ledger,
  counters: Counters,
  seed: number,
  milliseconds: number,
): Promise<void> {
  const end = new AbortController()
  // Seeds of studies are theirs alone, also over all phases.
  let studies = seed * 1_000_000
  const nextSeed = () => studies++
  const clients = [...accounts].flatMap(([account, url], nth) =>
    Array.from({ length: clientsPerAccount }, (_, at) => {
      const random = new Random(seed * 1_000 + nth * clientsPerAccount + at)
      return new Client({ account, url, isInBatches: inBatches.has(account), ledger, counters, random, nextSeed })
    }),
  )
  const all = clients.map((client) => client.run(end.signal))
  const faults = injectFaults(emulatorUrl, stores, new Random(seed), end.signal)
  await Promise.race([delay(milliseconds), ...all, faults])
  end.abort()
  await Promise.all([...all, faults])
}
