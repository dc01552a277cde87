import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { ask, type ServedHttp2, startHttp2 } from '../helpers/http2.ts'
import {
  errorCode,
  flag,
  frame,
  headerBlock,
  pseudo,
  type RawHttp2,
  setting,
  settings,
  type,
  uint32,
} from '../helpers/http2-frames.ts'
import { listenOn } from '../helpers/listen.ts'

const path = '/google/studies'

/** Each sends what costs a client little, for as long as the proxy lets it. */
const floods: Readonly<Record<string, (raw: RawHttp2, round: number) => void>> = {
  'requests that are reset at once': (raw, round) => {
    for (let at = 0; at < 50; at += 1) {
      const stream = 100 * round + 2 * at + 1
      raw.request(stream, pseudo('GET', path))
      raw.send(frame(type.rstStream, 0, stream, uint32(errorCode.cancel)))
    }
  },
  'more requests than it may have': (raw, round) => {
    for (let at = 0; at < 200; at += 1) raw.request(400 * round + 2 * at + 1, pseudo('POST', path), false)
  },
  pings: (raw) => raw.send(...Array.from({ length: 100 }, () => frame(type.ping, 0, 0, Buffer.alloc(8)))),
  settings: (raw) => raw.send(...Array.from({ length: 100 }, () => settings())),
  'settings with too many entries': (raw) =>
    raw.send(settings(Object.fromEntries(Array.from({ length: 40 }, (_, at) => [0xf000 + at, 1])))),
  'empty frames of a body': (raw, round) => {
    if (round === 0) raw.request(1, pseudo('POST', path), false)
    raw.send(...Array.from({ length: 100 }, () => frame(type.data, 0, 1)))
  },
  'a head that does not end': (raw, round) => {
    const part = headerBlock([['x-a', 'a'.repeat(1000)]])
    if (round === 0) raw.send(frame(type.headers, 0, 1, headerBlock(pseudo('GET', path))))
    raw.send(...Array.from({ length: 20 }, () => frame(type.continuation, 0, 1, part)))
  },
  'empty parts of a head': (raw, round) => {
    if (round === 0) raw.send(frame(type.headers, 0, 1, headerBlock(pseudo('GET', path))))
    raw.send(...Array.from({ length: 100 }, () => frame(type.continuation, 0, 1)))
  },
  'more of a body than the window': (raw, round) => {
    // Google does not read this one.
    const headers = [...pseudo('POST', path), ['content-type', 'application/dicom+json'] as const]
    if (round === 0) raw.request(1, headers, false)
    raw.send(...Array.from({ length: 100 }, () => frame(type.data, 0, 1, Buffer.alloc(16_384))))
  },
  'what is no HTTP/2': (raw) => raw.send(Buffer.alloc(1000, 'x')),
}

let served: ServedHttp2
/** Requests at Google that were not responded to. */
let atGoogle = 0

t.before(async () => {
  const google = createServer((request, response) => {
    request.on('error', () => {}).resume()
    if (request.headers['content-type'] === 'application/dicom+json') return void request.pause()
    if (request.url?.includes('limit=1')) return void response.end('[]')
    atGoogle += 1
    response.once('close', () => (atGoogle -= 1))
  })
  const Timeouts = { Idle: 1, MinBodyRate: 65_536 }
  const proxy = { Timeouts, Limits: { KeepAliveTimeout: 1 } }
  served = await startHttp2(t, { baseUrl: `${await listenOn(t, google)}/`, proxy })
})

/** Whether it serves others as ever. */
async function serves() {
  const session = await served.connect()
  return (await ask(session, { ':path': `${path}?limit=1` })).status === 200
}

for (const [what, send] of Object.entries(floods)) {
  t.test(what, async (t) => {
    const raw = await served.connectRaw()
    let round = 0
    // A few thousand frames at the most.
    for (; round < 60 && !raw.closed && !raw.goaway; round += 1) {
      send(raw, round)
      await delay(1)
    }
    await raw.ended(`it is ended after ${round} rounds`)
    t.ok(await serves())
    await eventually('nothing is left at Google', () => atGoogle === 0)
  })
}

t.test('heads that are too large are refused one by one', async () => {
  const raw = await served.connectRaw()
  // Each counts for 32 bytes more (RFC 9113 10.5.1).
  const many = Array.from({ length: 600 }, () => ['a', 'b'] as const)
  raw.request(1, [...pseudo('GET', path), ...many])
  await eventually('it is reset', () => raw.resetOf(1) !== undefined)
  raw.request(3, pseudo('GET', `${path}?limit=1`))
  await eventually('another one is served', () => raw.isWhole(3))
})

t.test('a client that reads nothing is given up, and its connection does not stay', async (t) => {
  const raw = await served.connectRaw({ [setting.initialWindowSize]: 0 })
  raw.request(1, pseudo('GET', `${path}?limit=1`))
  await eventually('it is reset', () => raw.resetOf(1) !== undefined)
  t.equal(raw.resetOf(1), errorCode.internal)
  t.notOk(raw.isWhole(1))
  await eventually('the connection ends', () => raw.closed)
})

t.test('bodies that do not come are given up', async () => {
  const raw = await served.connectRaw()
  for (let at = 0; at < 8; at += 1) raw.request(2 * at + 1, pseudo('POST', path), false)
  await eventually('all are told', () => [...Array(8).keys()].every((at) => raw.isWhole(2 * at + 1)))
  await eventually('nothing is left at Google', () => atGoogle === 0)
})

t.test('a body in frames of one byte is refused, and does not fill the memory', async (t) => {
  const raw = await served.connectRaw()
  raw.request(1, pseudo('POST', path), false)
  const tiny = Buffer.concat(Array.from({ length: 1000 }, () => frame(type.data, 0, 1, Buffer.of(65))))
  for (let at = 0; at < 12; at += 1) raw.send(tiny)
  await eventually('it is refused', () => raw.isWhole(1))
  t.ok(await serves())
})

t.test('pings keep no connection open', async (t) => {
  const raw = await served.connectRaw()
  const timer = setInterval(() => raw.send(frame(type.ping, 0, 0, Buffer.alloc(8))), 200)
  t.teardown(() => clearInterval(timer))
  await eventually('it ends', () => raw.closed || raw.goaway !== undefined)
  t.equal(raw.goaway ?? 0, errorCode.none)
  t.ok(raw.of(0, type.ping).every(({ flags }) => (flags & flag.ack) !== 0))
})

t.test('a flood whose sender reads late ends all the same', async () => {
  const raw = await served.connectRaw()
  raw.socket.pause()
  const pings = Buffer.concat(Array.from({ length: 1000 }, () => frame(type.ping, 0, 0, Buffer.alloc(8))))
  raw.socket.write(pings)
  await eventually('the log says so', () =>
    served.log().some(({ msg, reason }) => msg === 'HTTP/2 connection ended' && String(reason).includes('PING')),
  )
  raw.socket.resume()
  await eventually('the connection ends', () => raw.closed)
})
