import { createServer } from 'node:http'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { startHttp2 } from '../helpers/http2.ts'
import { frame, pseudo, setting, type, uint32 } from '../helpers/http2-frames.ts'
import { listenOn } from '../helpers/listen.ts'

const size = 200_000
const step = 8_000

// Node tells of a write only when all of it has gone out: a client that reads a little at a time,
// but enough, would seem to read nothing.
t.test('a client that reads slowly, but fast enough, gets all; one that is too slow is cut off', async (t) => {
  const google = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/dicom', 'content-length': size })
    response.end(Buffer.alloc(size))
  })
  const proxy = { Timeouts: { Idle: 1, MinBodyRate: 20_000 } }
  const { connectRaw, log } = await startHttp2(t, { baseUrl: `${await listenOn(t, google)}/`, proxy })
  const raw = await connectRaw({ [setting.initialWindowSize]: step })
  raw.request(1, pseudo('GET', '/google/studies/1.2'))
  raw.request(3, pseudo('GET', '/google/studies/1.3'))
  // Five times the minimum, in 80 ms each; the other one gets nothing more.
  const timer = setInterval(() => {
    raw.send(frame(type.windowUpdate, 0, 1, uint32(step)), frame(type.windowUpdate, 0, 0, uint32(step)))
  }, 80)
  t.teardown(() => clearInterval(timer))
  await eventually('the first is whole', () => raw.isWhole(1) || raw.resetOf(1) !== undefined)
  t.ok(raw.isWhole(1))
  t.equal(raw.bodyOf(1).length, size)
  await eventually('the second is cut', () => raw.resetOf(3) !== undefined)
  t.notOk(raw.isWhole(3))
  await eventually('it is logged', () => log().some(({ abortedBy }) => abortedBy === 'client'))
})
