import t from 'tap'
import { demoAccount, startServed } from '../../helpers/served.ts'
import { name, stowOfJson, study, text } from './made-studies.ts'

// What a completed search does at its bounds, and when something fails on the way. Nothing that is
// partial may look whole: the response is sent only when it is certain.

const count = 620
const studies = Array.from({ length: count }, (_, at) =>
  study(at, ['OT'], {
    '00081030': text('LO', at % 2 === 0 ? `even ${at}` : `odd ${at}`),
    '00080020': text('DA', '20240101'),
    '00100010': name(`Patient^${at}`),
  }),
).flat()

t.test('bounds and failures', async (t) => {
  const served = await startServed(t, {
    accounts: ({ serviceAccountFile }) => {
      const of = (SearchCompletion: object) => ({
        ...demoAccount,
        ServiceAccountFile: serviceAccountFile,
        SearchCompletion,
      })
      return {
        google: of({}),
        exact: of({ MaxRows: count }),
        short: of({ MaxRows: count - 1 }),
        quick: of({ Timeout: 1 }),
      }
    },
    proxy: { Concurrency: { MaxInFlight: 2, MaxPending: 256, QueueTimeout: 20 } },
  })
  const { url, emulator, proxy } = served
  const urlOf = (account: string) => proxy.accountUrls.get(account) ?? ''
  const stored = await fetch(`${url}studies`, stowOfJson(studies))
  await stored.arrayBuffer()
  t.equal(stored.status, 200)
  const numbersIn = (body: string) =>
    (JSON.parse(body) as Record<string, { Value?: unknown[] }>[]).map((row) =>
      Number(String(row['0020000D']?.Value?.[0]).split('.')[2]),
    )
  const even = Array.from({ length: count / 2 }, (_, at) => at * 2)
  const targetsDuring = async (path: string, account = 'google', init: RequestInit = {}) => {
    const before = emulator.log.length
    const response = await fetch(urlOf(account) + path, init)
    const body = await response.text()
    const targets = emulator.log.slice(before).map(({ target }) => target)
    return { status: response.status, body, headers: response.headers, targets }
  }
  const lastLine = () => served.log().findLast(({ msg }) => msg === 'request') ?? {}

  t.test('pages grow until one is empty; limit and offset count matches', async (t) => {
    const all = await targetsDuring('studies?StudyDescription=even*')
    t.same(numbersIn(all.body), even)
    t.same(
      all.targets.map((target) => target.split('?')[1]),
      [
        'includefield=StudyDescription&limit=500',
        'includefield=StudyDescription&limit=1000&offset=500',
        'includefield=StudyDescription&limit=2000&offset=620',
      ],
    )
    t.match(lastLine(), { attempts: 3, rowsRead: count, status: 200 })
    for (const [offset, limit, requests] of [
      [0, 10, 1],
      [260, 5, 2],
      [300, 100, 3],
      [400, 5, 3],
      [0, 0, 0],
      [309, 1, 2],
    ] as const) {
      const some = await targetsDuring(`studies?StudyDescription=even*&limit=${limit}&offset=${offset}`)
      t.same(numbersIn(some.body), even.slice(offset, offset + limit), `${offset}, ${limit}`)
      t.equal(some.targets.length, requests, `requests of ${offset}, ${limit}`)
    }
  })

  t.test('MaxRows: exactly so many are read, one more is 413', async (t) => {
    const exact = await targetsDuring('studies?StudyDescription=even*', 'exact')
    t.equal(exact.status, 200)
    t.equal(numbersIn(exact.body).length, count / 2)
    const short = await targetsDuring('studies?StudyDescription=even*', 'short')
    t.equal(short.status, 413)
    t.match(JSON.parse(short.body), {
      code: 'search-too-broad',
      layer: 'client',
      detail: /619 rows \(MaxRows\).*Narrow it/,
    })
    t.match(lastLine(), { code: 'search-too-broad', status: 413 })
    const enough = await targetsDuring('studies?StudyDescription=even*&limit=250', 'short')
    t.same(numbersIn(enough.body), even.slice(0, 250), 'the limit is reached before the bound')
  })

  t.test('Timeout: 413, and the request at Google ends', async (t) => {
    emulator.faults.add({ target: 'QIDO-RS', hang: true, skip: 1, times: 1 })
    const late = await targetsDuring('studies?StudyDescription=even*', 'quick')
    t.equal(late.status, 413)
    t.match(JSON.parse(late.body), { code: 'search-too-broad', detail: /longer than 1 s \(Timeout\)/ })
    emulator.faults.clear()
  })

  t.test('a page that breaks midway: nothing of it is sent', async (t) => {
    emulator.faults.add({ target: 'QIDO-RS', truncate: 20_000, skip: 1, times: 1 })
    const broken = await targetsDuring('studies?StudyDescription=even*')
    t.equal(broken.status, 502)
    t.match(JSON.parse(broken.body), { code: /^upstream-/, layer: 'upstream' })
    emulator.faults.add({ target: 'QIDO-RS', garbage: true, skip: 1, times: 1 })
    const garbage = await targetsDuring('studies?StudyDescription=even*')
    t.equal(garbage.status, 502)
    t.match(JSON.parse(garbage.body), { code: 'upstream-invalid', detail: /not DICOM JSON/ })
    emulator.faults.clear()
  })

  t.test('pages that come compressed', async (t) => {
    emulator.faults.add({ target: 'QIDO-RS', gzip: true })
    t.same(numbersIn((await targetsDuring('studies?StudyDescription=even*')).body), even)
    t.equal(numbersIn((await targetsDuring('studies?StudyDescription=even*&limit=3')).body).length, 3)
    emulator.faults.clear()
    emulator.faults.add({ target: 'QIDO-RS', headers: { 'content-encoding': 'gzip' } })
    const damaged = await targetsDuring('studies?StudyDescription=even*')
    t.match(JSON.parse(damaged.body), { code: 'upstream-invalid', detail: /not compressed as it says/ })
    emulator.faults.clear()
  })

  t.test('a page that stalls ends at Timeout', async (t) => {
    emulator.faults.add({ target: 'QIDO-RS', stall: 10_000, times: 1 })
    t.equal((await targetsDuring('studies?StudyDescription=even*', 'quick')).status, 413)
    emulator.faults.clear()
  })

  t.test("Google's refusal midway is the response", async (t) => {
    for (const status of [403, 429, 503]) {
      emulator.faults.add({ target: 'QIDO-RS', status, skip: 1, times: 1 })
      const refused = await targetsDuring('studies?StudyDescription=even*')
      t.equal(refused.status, status)
      t.match(JSON.parse(refused.body), { error: { code: status } }, "in Google's words")
      t.match(lastLine(), { status, layer: 'upstream', attempts: 2 })
    }
    emulator.faults.clear()
  })

  t.test('a rejected token is replaced, once for each request', async (t) => {
    emulator.faults.add({ target: 'QIDO-RS', status: 401, skip: 1, times: 1 })
    const renewed = await targetsDuring('studies?StudyDescription=even*')
    t.same(numbersIn(renewed.body), even)
    t.match(lastLine(), { status: 200, attempts: 4 })
    emulator.faults.add({ target: 'QIDO-RS', status: 401, skip: 1, times: 2 })
    t.match(JSON.parse((await targetsDuring('studies?StudyDescription=even*')).body), { code: 'token-rejected' })
    emulator.faults.clear()
  })

  t.test('what fails for a moment is retried, as any search is', async (t) => {
    const { reload } = served
    const accounts = ({ serviceAccountFile }: { serviceAccountFile: string }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, SearchCompletion: {} },
    })
    await reload({ accounts, proxy: { Retry: { TotalTimeout: 30 } } })
    emulator.faults.add({ target: 'QIDO-RS', status: 503, skip: 1, times: 1 })
    const retried = await targetsDuring('studies?StudyDescription=even*')
    t.same(numbersIn(retried.body), even)
    t.match(lastLine(), { status: 200, attempts: 4, rowsRead: count })
    emulator.faults.clear()
  })

  t.test('rows that are too large to be held are 413', async (t) => {
    const long = Object.fromEntries(
      Array.from({ length: 16 }, (_, at) => [
        `0040A1${(0x60 + at).toString(16).toUpperCase()}`,
        text('UT', 'x'.repeat(60_000)),
      ]),
    )
    const large = Array.from({ length: 20 }, (_, at) => ({
      study: '1.3',
      series: '1.3.1',
      instance: `1.3.1.${at}`,
      more: { ...long, '00081030': text('LO', 'large') },
    }))
    const stored = await fetch(`${url}studies`, stowOfJson(large))
    t.equal(stored.status, 200, await stored.text())
    const held = await targetsDuring('studies/1.3/instances?StudyDescription=l*&includefield=all&limit=15')
    t.equal(held.status, 200)
    t.equal(numbersIn(held.body).length, 15)
    const refused = await targetsDuring('studies/1.3/instances?StudyDescription=l*&includefield=all')
    t.equal(refused.status, 413)
    t.match(JSON.parse(refused.body), { code: 'search-too-broad', detail: /16 MiB/ })
  })
})
