import { gunzipSync } from 'node:zlib'
import t from 'tap'
import { eventually } from '../../helpers/eventually.ts'
import { ask, startHttp2 } from '../../helpers/http2.ts'
import { pseudo, setting } from '../../helpers/http2-frames.ts'
import { demoAccount } from '../../helpers/served.ts'
import { stowOfJson, study, text } from './made-studies.ts'

// Completed searches over HTTP/2: whole bodies, whoever reads them, and those who don't.

const count = 600
const long = 'x'.repeat(900)
const studies = Array.from({ length: count }, (_, at) =>
  study(at, ['OT'], { '00081030': text('LO', `even ${at}`), '00324000': text('LT', long) }),
).flat()

t.test('completed searches over HTTP/2', async (t) => {
  const served = await startHttp2(t, {
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, SearchCompletion: { MaxSearches: 1 } },
    }),
    proxy: { Timeouts: { Idle: 1, MinBodyRate: 20_000 } },
  })
  const { connect, connectRaw, log } = served
  const session = await connect()
  const stow = stowOfJson(studies)
  const stored = await ask(
    session,
    { ':method': 'POST', ':path': '/google/studies', ...stow.headers },
    Buffer.from(stow.body),
  )
  t.equal(stored.status, 200)
  const path = '/google/instances?StudyDescription=even*&includefield=all'
  const lines = () => log().filter(({ msg }) => msg === 'request')

  t.test('whole, plain and compressed, at the same time; HEAD has no body', async (t) => {
    const [plain, zipped, head] = await Promise.all([
      ask(session, { ':path': path }),
      ask(session, { ':path': path, 'accept-encoding': 'gzip' }),
      ask(session, { ':path': path, ':method': 'HEAD' }),
    ])
    t.equal(JSON.parse(plain.body.toString()).length, count)
    t.ok(plain.body.length > 3 * 64 * 1024, 'several pieces')
    t.equal(plain.headers['content-length'], String(plain.body.length))
    t.equal(zipped.headers['content-encoding'], 'gzip')
    t.same(gunzipSync(zipped.body), plain.body)
    t.equal(head.status, 200)
    t.equal(head.headers['content-length'], String(plain.body.length))
    t.equal(head.body.length, 0)
  })

  t.test('a client that leaves midway gives its turn to the next', async (t) => {
    const raw = await connectRaw({ [setting.initialWindowSize]: 8_000 })
    raw.request(1, pseudo('GET', path))
    await eventually('it has begun', () => raw.bodyOf(1).length > 0)
    raw.socket.destroy()
    const next = await ask(session, { ':path': path })
    t.equal(JSON.parse(next.body.toString()).length, count)
    t.ok(lines().some(({ abortedBy, status }) => abortedBy === 'client' && status === 200))
  })

  t.test('a client that stops reading is cut off, and does not keep its turn', async (t) => {
    const raw = await connectRaw({ [setting.initialWindowSize]: 8_000 })
    raw.request(1, pseudo('GET', path))
    await eventually('it has begun', () => raw.bodyOf(1).length > 0)
    const next = await ask(session, { ':path': path })
    t.equal(JSON.parse(next.body.toString()).length, count)
    await eventually('it is cut', () => raw.resetOf(1) !== undefined)
    t.notOk(raw.isWhole(1))
    t.ok(raw.bodyOf(1).length < next.body.length)
  })
})
