import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { EventLoopWatch } from '../../src/observe/event-loop-watch.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

interface Line {
  readonly level: 'info' | 'warn'
  readonly standstillMs: number
  readonly cpuMs: number
  readonly requests: Readonly<Record<string, number>>
  readonly others?: number
}

const search = { service: 'QIDO-RS', route: '/studies' } as const
const upload = { service: 'STOW-RS', route: '/studies' } as const

function cpuTime(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Works until it has used this much processor time itself, however busy the machine is. */
function block(milliseconds: number): void {
  const end = cpuTime() + milliseconds
  while (cpuTime() < end);
}

/** Does nothing, and lets nothing else happen: as when the process is stopped. */
function stop(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)
}

interface Started {
  readonly quietMs?: number
  readonly inFlight?: readonly (typeof search)[]
}

function startWatch(t: Test, { quietMs = 60_000, inFlight = [search] }: Started = {}) {
  const lines: Line[] = []
  const write = (level: Line['level']) => (line: object) => void lines.push({ level, ...line } as Line)
  const log = { info: write('info'), warn: write('warn') }
  const watch = new EventLoopWatch({ log, inFlight: () => inFlight, cpuTime, thresholdMs: 300, quietMs })
  t.teardown(() => watch.close())
  return { watch, lines, warnings: () => lines.filter(({ level }) => level === 'warn') }
}

t.test('a standstill is a warning, with what was in flight and what had just ended', async (t) => {
  const { watch, warnings } = startWatch(t)
  watch.ended(upload)
  watch.ended(upload)
  watch.ended({ service: undefined, route: undefined })
  block(500)
  await eventually('it is noticed', () => warnings().length > 0)
  t.match(warnings(), [{ requests: { 'STOW-RS /studies': 2, 'QIDO-RS /studies': 1, other: 1 } }])
  t.ok((warnings()[0]?.standstillMs ?? 0) >= 400, `${warnings()[0]?.standstillMs} ms`)
  t.ok((warnings()[0]?.cpuMs ?? 0) >= 400, `${warnings()[0]?.cpuMs} ms of processor time`)
})

t.test('who did not run was not busy: that is no warning', async (t) => {
  const { lines, warnings } = startWatch(t)
  await delay(150)
  stop(900)
  await eventually('it is noticed', () => lines.length > 0)
  t.same(warnings(), [])
  t.ok((lines[0]?.cpuMs ?? 900) < 150, `${lines[0]?.cpuMs} ms of processor time`)
})

t.test('what ended before is not named', async (t) => {
  const { watch, warnings } = startWatch(t, { inFlight: [] })
  for (let times = 0; times < 5_000; times += 1) watch.ended(upload)
  await delay(250)
  watch.ended(search)
  block(500)
  await eventually('it is noticed', () => warnings().length > 0)
  t.same(warnings()[0]?.requests, { 'QIDO-RS /studies': 1 })
})

t.test('a line a minute: the longest of those that follow, and how many others there were', async (t) => {
  const { watch, warnings } = startWatch(t)
  block(500)
  await eventually('the first is logged', () => warnings().length === 1)
  const lasted: number[] = []
  for (const milliseconds of [500, 800, 500]) {
    const began = performance.now()
    block(milliseconds)
    lasted.push(performance.now() - began)
    await delay(110)
  }
  t.equal(warnings().length, 1)
  watch.close()
  t.match(warnings(), [{}, { others: 2 }])
  // Of a standstill, as much as the timer's interval may be missed.
  t.ok((warnings()[1]?.standstillMs ?? 0) > Math.max(...lasted) - 150)
})

t.test('they are logged once the minute is over', async (t) => {
  const { warnings } = startWatch(t, { quietMs: 1_000 })
  block(500)
  await eventually('the first is logged', () => warnings().length === 1)
  block(500)
  await eventually('the second is logged', () => warnings().length === 2)
})

t.test('the proxy names the route of the request that it stood still for', async (t) => {
  // In one process with the proxy: what holds this server up holds up the proxy.
  const google = createServer(({ url = '' }, response) => {
    if (url.includes('1.2.3')) block(900)
    response.setHeader('content-type', 'application/dicom+json')
    response.end('[]')
  })
  const { url, log } = await startServed(t, { baseUrl: await listenOn(t, google) })
  const standstills = () =>
    log().filter(({ msg, level }) => level === 'warn' && /^event loop blocked/.test(String(msg)))
  t.equal((await fetch(`${url}studies`)).status, 200)
  await delay(700)
  t.same(standstills(), [], 'none without one')
  const asked = fetch(`${url}studies/1.2.3/metadata?includefield=00100010`)
  t.equal((await asked).status, 200)
  await eventually('it is in the log', () => standstills().length > 0)
  t.match(standstills(), [{ requests: { 'WADO-RS /studies/{study}/metadata': 1 }, detail: /report/ }])
  t.notMatch(JSON.stringify(standstills()), /1\.2\.3|00100010/)
})
