import { type ChildProcess, fork } from 'node:child_process'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { makeCertificate } from '../helpers/certificate.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { compileCache } from '../helpers/program.ts'
import { behave, httpBehaviours, offeredBytes } from './behaviours.ts'
import type { Environment, Order, Report } from './driver.ts'

/**
 * Whoever the proxy asks something may be broken, somebody else, or hostile: a table of peers and
 * what they do instead of a response. The proxy's process is measured, and what each peer could get
 * rid of.
 */

const mebibyte = 1024 * 1024
/**
 * What the process may grow by at any time, while it asks eleven peers at once. Without bounds it
 * was 2.5 GiB, of a fifth of what is offered here.
 */
const maxGrowth = 96 * mebibyte
/**
 * What a peer may get rid of: the operating system alone takes up to ten MiB on loopback, and so do
 * the buffers between.
 */
const maxTaken = 16 * mebibyte
/** Milliseconds that a request is given, and ten times that, after which it stands still. */
const timeout = 600
const standstill = Number(process.env.HOSTILE_PEERS_STANDSTILL ?? 15_000)

const httpPeers = [
  'token endpoint',
  'Security Token Service',
  'URL of a subject token',
  'IAM Credentials API',
  'metadata server',
  'Google, small reads',
  'Google, as check asks',
  'Orthanc',
  'outgoing proxy, for searches',
  'outgoing proxy, for uploads',
  'OpenTelemetry collector',
]

/** Of a syslog repository: before the handshake, or behind it. */
const syslogBehaviours: Readonly<
  Record<string, { readonly secured: boolean; start(socket: Socket | TLSSocket): void }>
> = {
  'endless bytes that are no TLS': {
    secured: false,
    start: (socket) => behave(socket, httpBehaviours['endless body'] ?? none),
  },
  'a handshake byte by byte': { secured: false, start: (socket) => drip(socket) },
  'no handshake': { secured: false, start: (socket) => void socket.resume() },
  'endless bytes behind the handshake': {
    secured: true,
    start: (socket) => behave(socket.resume(), httpBehaviours['endless body'] ?? none),
  },
  'a byte at a time behind the handshake': {
    secured: true,
    start: (socket) => behave(socket.resume(), { head: '', repeated: Buffer.from('a'), pauseMs: 0 }),
  },
  'never reads': { secured: true, start: (socket) => socket.pause() },
}
const none = { head: '', repeated: Buffer.alloc(0), pauseMs: 0 }

const shortError = 'HTTP/1.1 500 Oops\r\nConnection: close\r\nMetadata-Flavor: Google\r\nContent-Length: 2\r\n\r\nno'

/** The beginning of a TLS record, which never ends. */
function drip(socket: Socket | TLSSocket): void {
  socket.resume()
  const record = Buffer.concat([Buffer.from([22, 3, 3, 0x3f, 0xff, 2, 0, 0x3f, 0xfb]), Buffer.alloc(16_000)])
  let at = 0
  const timer = setInterval(() => socket.write(record.subarray(at, ++at)), 20)
  socket.once('close', () => clearInterval(timer))
}

/** Counts what its sockets took of what was offered. */
class Taken {
  readonly #sockets = new Set<Socket>()
  #ended = 0
  #open = 0

  watch(socket: Socket): void {
    this.#sockets.add(socket)
    this.#open += 1
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#ended += taken(socket)
      this.#open -= 1
      this.#sockets.delete(socket)
    })
  }

  get bytes(): number {
    return this.#ended + [...this.#sockets].reduce((sum, socket) => sum + taken(socket), 0)
  }

  get open(): number {
    return this.#open
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

function taken(socket: Socket): number {
  return socket.bytesWritten - socket.writableLength
}

/** The process that asks. */
class Driver {
  readonly #child: ChildProcess
  readonly #asked = new Map<string, (report: Report) => void>()
  #measured: (report: Report) => void = () => {}

  constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (report: Report) => {
      if (report.peer === undefined) this.#measured(report)
      else this.#asked.get(report.peer)?.(report)
    })
  }

  measure(order: Order = { measure: true }): Promise<Report> {
    const { promise, resolve } = Promise.withResolvers<Report>()
    this.#measured = resolve
    this.#child.send(order)
    return promise
  }

  /** How it ended; that there was no end in time is one, too. */
  async ask(peer: string): Promise<{ readonly peer: string; readonly end: string; readonly milliseconds: number }> {
    const { promise, resolve } = Promise.withResolvers<Pick<Report, 'end' | 'milliseconds'>>()
    this.#asked.set(peer, resolve)
    this.#child.send({ peer } satisfies Order)
    const timer = setTimeout(() => resolve({}), standstill)
    const { end = 'NO END', milliseconds = standstill } = await promise
    clearTimeout(timer)
    return { peer, end, milliseconds }
  }
}

async function startDriver(t: Test, environment: Environment): Promise<Driver> {
  const child = fork(fileURLToPath(new URL('driver.ts', import.meta.url)), {
    // As the program runs (docs/adr/0010), but for the size up to which nothing is collected:
    // garbage is not what is measured.
    execArgv: ['--max-semi-space-size=2', '--expose-gc'],
    env: {
      ...compileCache,
      PATH: process.env.PATH ?? '',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://${environment.hostile}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: String(timeout),
    },
    serialization: 'json',
  })
  t.teardown(() => child.kill('SIGKILL'))
  const driver = new Driver(child)
  await driver.measure({ environment })
  return driver
}

/** One that sends the given response to every request. */
async function startHostile(t: Test) {
  const { cert, key, authority } = makeCertificate()
  const now: { start: (socket: Socket) => void; taken: Taken } = { start: () => {}, taken: new Taken() }
  const plain = createServer((socket) => {
    now.taken.watch(socket)
    // Nobody needs to know what it was asked.
    socket.once('data', () => now.start(socket)).resume()
  })
  const secured: { value: boolean } = { value: true }
  const tls = createServer((socket) => {
    now.taken.watch(socket)
    if (!secured.value) {
      now.start(socket)
      return
    }
    const inner = new TLSSocket(socket, { isServer: true, cert, key })
    inner.on('error', () => {})
    inner.once('secure', () => now.start(inner))
  })
  const hostile = new URL(await listenOn(t, plain)).host
  const hostileTls = new URL(await listenOn(t, tls)).host
  t.teardown(() => now.taken.destroy())
  return { now, secured, hostile, hostileTls, authority }
}

/** Each case: peer, what it did, how it ended. */
const rows: string[] = []

t.test('no peer makes the proxy grow, or wait for ever', async (t) => {
  const { now, secured, hostile, hostileTls, authority } = await startHostile(t)
  const tokens = createHttpServer((request, response) => {
    request.resume()
    response.end(JSON.stringify({ access_token: 'good', expires_in: 3600, token_type: 'Bearer' }))
  })
  const good = await listenOn(t, tokens)
  const external = {
    type: 'external_account',
    audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `http://${hostile}/v1/token`,
    credential_source: { url: `${good}/subject-token` },
  }
  const folder = t.testdir({
    'external.json': JSON.stringify(external),
    'subject.json': JSON.stringify({
      ...external,
      token_url: `${good}/v1/token`,
      credential_source: { url: `http://${hostile}/subject-token` },
    }),
  })
  const driver = await startDriver(t, {
    hostile,
    hostileTls,
    good,
    externalAccountFile: join(folder, 'external.json'),
    subjectUrlFile: join(folder, 'subject.json'),
    authority,
    timeout,
  })

  /** One peer, or all that speak HTTP at once. */
  const run = async (t: Test, peers: readonly string[], behaviour: string, start: (socket: Socket) => void) => {
    now.start = start
    now.taken = new Taken()
    const ends = await Promise.all(peers.map((peer) => driver.ask(peer)))
    const { peak, resident } = await driver.measure()
    const { taken } = now
    // One that does not read hears of no end.
    if (behaviour === 'never reads') taken.destroy()
    await eventually('no connection is left', () => taken.open === 0, standstill)
    const { bytes } = taken
    for (const { peer, end, milliseconds } of ends) {
      t.not(end, 'a success', `${peer}: an error`)
      t.ok(milliseconds < standstill, `${peer}: ends in time, after ${milliseconds} ms`)
      rows.push([behaviour, peer, `${milliseconds} ms`, end].join(' | '))
    }
    rows.push(
      [behaviour, 'ALL', `${mib(bytes)} taken`, `${mib(resident)} resident, ${mib(peak)} at the most`].join(' | '),
    )
    return bytes
  }

  // The first of all requests loads and compiles.
  now.start = (socket) => socket.end(shortError)
  await Promise.all(httpPeers.map((peer) => driver.ask(peer)))
  const beginning = await driver.measure()
  for (const [behaviour, what] of Object.entries(httpBehaviours)) {
    await t.test(behaviour, async (t) => {
      const bytes = await run(t, httpPeers, behaviour, (socket) => behave(socket, what))
      if (!what.endsByTime)
        t.ok(bytes < maxTaken * httpPeers.length, `${mib(bytes)} of ${mib(offeredBytes)} each were taken`)
    })
  }
  for (const [behaviour, { secured: isSecured, start }] of Object.entries(syslogBehaviours)) {
    await t.test(`syslog: ${behaviour}`, async (t) => {
      secured.value = isSecured
      const peer = behaviour === 'never reads' ? 'syslog repository, many records' : 'syslog repository'
      const bytes = await run(t, [peer], behaviour, start)
      t.ok(bytes < maxTaken, `${mib(bytes)} were taken`)
    })
  }
  const { peak } = await driver.measure()
  t.ok(peak - beginning.resident < maxGrowth, `grown by ${mib(peak - beginning.resident)}`)
  if (process.env.HOSTILE_PEERS_TABLE) process.stderr.write(`${rows.join('\n')}\n`)
})

function mib(bytes: number): string {
  return `${(bytes / mebibyte).toFixed(1)} MiB`
}
