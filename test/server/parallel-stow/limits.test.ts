import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { syntheticStudy } from '../../../src/emulator/synthetic-study.ts'
import { listenOn } from '../../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../../helpers/served.ts'
import { respondStored, sopInstancesIn } from '../../helpers/stored-response.ts'

// What they do most is wait.
t.jobs = 2

const kiB = 1024

function accountWith(ParallelStow: object) {
  return ({ serviceAccountFile }: { serviceAccountFile: string }) => ({
    google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow },
  })
}

/** Refuses a request that comes while so many others are in flight. */
class LimitedGoogle {
  /** At the beginning of each request, itself included. */
  readonly inFlight: number[] = []
  stored = 0
  readonly #allowed: number
  #current = 0

  constructor(allowed: number) {
    this.#allowed = allowed
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#current += 1
    this.inFlight.push(this.#current)
    const isRefused = this.#current > this.#allowed
    const body = await buffer(request)
    if (isRefused) {
      this.#current -= 1
      response.writeHead(429, { 'content-length': 0 }).end()
      return
    }
    // So long that the upload goes on when batches that were refused are sent again.
    await delay(100)
    this.#current -= 1
    this.stored += sopInstancesIn(body).length
    respondStored(response, body)
  }
}

t.test('MaxBytesPerSecond holds for all uploads of an account together', async (t) => {
  const uploads = 10
  const bytesPerSecond = 384 * kiB
  const { url, emulator } = await startServed(t, {
    accounts: accountWith({ Connections: 8, BatchBytes: 64 * kiB, MaxBytesPerSecond: bytesPerSecond }),
  })
  const studies = Array.from({ length: uploads }, (_, seed) => [
    ...syntheticStudy({ seed: seed + 1, instances: 3, rows: 96, columns: 96 }),
  ])
  const bytes = studies.flat().reduce((sum, { bytes }) => sum + bytes.length, 0)
  const startedAt = performance.now()
  const statuses = await Promise.all(studies.map(async (study) => (await fetch(`${url}studies`, stowOf(study))).status))
  const seconds = (performance.now() - startedAt) / 1000
  t.same(new Set(statuses), new Set([200]))
  t.ok(emulator.log.filter(({ target }) => target.endsWith('/studies')).length >= uploads)
  const needed = bytes / bytesPerSecond
  t.ok(needed > 1, `${needed.toFixed(1)} s by the ceiling`)
  // A ceiling for each upload, or each connection, would take a tenth of it at the most.
  t.ok(seconds > needed / 3, `${seconds.toFixed(1)} s in fact`)
})

t.test('a Google that refuses more than four at once gets four, and all of the upload', async (t) => {
  const allowed = 4
  const google = new LimitedGoogle(allowed)
  const server = createServer((request, response) => void google.handle(request, response))
  const { url, log } = await startServed(t, {
    baseUrl: `${await listenOn(t, server)}/v1/`,
    accounts: accountWith({ Connections: 8, BatchBytes: 64 * kiB, MemoryBytes: 4096 * kiB }),
    proxy: { Retry: { TotalTimeout: 60 }, Concurrency: { MaxInFlight: 8 } },
  })
  const instances = [...syntheticStudy({ instances: 360, rows: 96, columns: 96 })]
  const response = await fetch(`${url}studies`, stowOf(instances))
  t.equal(response.status, 200)
  const stored = (await response.json()) as Record<string, { Value: unknown[] }>
  t.equal(stored['00081199']?.Value.length, instances.length)
  t.equal(google.stored, instances.length, 'each of them once')
  const { inFlight } = google
  const refused = inFlight.filter((count) => count > allowed).length
  t.ok(refused > 0, `${inFlight.length} requests`)
  // What is sent again after a second or two, with as many connections as before, is refused again.
  // On a slow machine, the limit has time to rise by one.
  t.ok(refused <= allowed + 1, `${refused} refused, all of them at the beginning`)
  t.match(
    log().find(({ msg }) => msg === 'request'),
    { status: 200, instancesFailed: 0 },
  )
})
