import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import t from 'tap'
import { matchesKey } from '../../../src/server/search-completion/value-matching.ts'
import { matchesWildcard } from '../../../src/server/search-completion/wildcard.ts'
import { listenOn } from '../../helpers/listen.ts'
import { demoAccount, startServed } from '../../helpers/served.ts'

// A Google that pages otherwise than it says, rows that no store should have, and queries that no
// person types: a completed search is whole, or an error in time.

const count = 40
const uid = (at: number) => `1.2.${at + 1}`
const rowOf = (at: number, more: object = {}) => ({
  '00080005': { vr: 'CS', Value: ['ISO_IR 192'] },
  '00081030': { vr: 'LO', Value: [at % 2 === 0 ? 'even' : 'odd'] },
  '0020000D': { vr: 'UI', Value: [uid(at)] },
  '0020000E': { vr: 'UI', Value: [`${uid(at)}.1`] },
  '00080060': { vr: 'CS', Value: ['CT'] },
  ...more,
})
const rows = Array.from({ length: count }, (_, at) => rowOf(at))
const even = rows.filter((_, at) => at % 2 === 0).map((_, at) => uid(at * 2))

interface Page {
  readonly path: string
  readonly limit: number
  readonly offset: number
  /** From 0. */
  readonly request: number
}

type Body = readonly object[] | string | null

t.test('a Google of another kind', async (t) => {
  let pageOf: (page: Page) => Body = () => null
  let requests = 0
  const google = createServer((incoming: IncomingMessage, response: ServerResponse) => {
    const { pathname, searchParams } = new URL(incoming.url ?? '', 'http://google')
    const [limit, offset] = ['limit', 'offset'].map((name) => Number(searchParams.get(name) ?? 0))
    const body = pageOf({ path: pathname, limit: limit ?? 0, offset: offset ?? 0, request: requests++ })
    if (body === null) response.writeHead(204, { 'content-type': 'text/html' }).end()
    else {
      response.writeHead(200, { 'content-type': 'application/dicom+json' })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    }
  })
  const address = await listenOn(t, google)
  const { url, log } = await startServed(t, {
    baseUrl: `${address}/v1/`,
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, SearchCompletion: { MaxRows: 500 } },
    }),
  })
  const ask = async (path: string, page: (page: Page) => Body) => {
    pageOf = page
    requests = 0
    const response = await fetch(url + path)
    const body = await response.text()
    return { status: response.status, body, code: response.status === 200 ? '' : String(JSON.parse(body).code) }
  }
  const uidsIn = (body: string) =>
    (JSON.parse(body) as Record<string, { Value?: unknown[] }>[]).map((row) => row['0020000D']?.Value?.[0])
  const within = (rows: readonly object[], { limit, offset }: Page, most = limit) =>
    rows.slice(offset, offset + Math.min(limit, most))

  t.test('pages shorter than they were asked for do not end a search', async (t) => {
    const { status, body } = await ask('studies?StudyDescription=even', (page) => {
      const some = within(rows, page, 7)
      return some.length === 0 ? null : some
    })
    t.equal(status, 200)
    t.same(uidsIn(body), even)
    const empty = await ask('studies?StudyDescription=even', (page) => within(rows, page, 7))
    t.same(uidsIn(empty.body), even, 'an empty array is as good as 204')
  })

  t.test('pages longer than they were asked for', async (t) => {
    const { status, body } = await ask('studies?StudyDescription=even', ({ offset }) => rows.slice(offset))
    t.equal(status, 200)
    t.same(uidsIn(body), even)
    const three = await ask('studies?StudyDescription=even&limit=3&offset=2', ({ offset }) => rows.slice(offset))
    t.same(uidsIn(three.body), even.slice(2, 5))
  })

  t.test('the same page again and again ends at MaxRows, or at once', async (t) => {
    const all = await ask('studies?StudyDescription=even', () => rows)
    t.match(all, { status: 413, code: 'search-too-broad' })
    t.ok(requests <= 14, 'and does not go on')
    const details = await ask('studies?StudyDescription=even&limit=1&NumberOfStudyRelatedSeries', ({ path, offset }) =>
      path.endsWith('/series') ? rows : rows.slice(offset),
    )
    t.match(details, { status: 502, code: 'upstream-invalid' }, 'a count')
    t.equal(requests, 3, 'and does not go on')
  })

  t.test('what is no page is never the end of one', async (t) => {
    for (const body of ['', '<html></html>', '{}', '[{}', '[{}]]', 'null', '[null]', '[1]', '[{"a":1},]', '\ufeff']) {
      const broken = await ask('studies?StudyDescription=even', ({ request }) =>
        request === 0 ? rows.slice(0, 9) : body,
      )
      t.match(broken, { status: 502, code: 'upstream-invalid' }, JSON.stringify(body))
    }
    for (const path of [
      'studies?NumberOfStudyRelatedSeries',
      'studies?StudyInstanceUID=1.2,1.3',
      'studies?StudyID=1',
    ]) {
      const broken = await ask(path, ({ offset }) => (offset === 0 ? '[{"0020000D":1.}]' : null))
      t.match(broken, { status: 502, code: 'upstream-invalid' }, path)
    }
  })

  t.test('rows without what they must have', async (t) => {
    for (const row of [
      {},
      { '0020000D': {} },
      { '0020000D': { Value: ['../x'] } },
      { '0020000D': { Value: ['..'] } },
      { '0020000D': { Value: [{}] } },
    ]) {
      const broken = await ask('studies?NumberOfStudyRelatedSeries', ({ offset }) => (offset === 0 ? [row] : []))
      t.match(broken, { status: 502, code: 'upstream-invalid' }, JSON.stringify(row))
    }
    for (const attribute of [
      'null',
      '5',
      '"x"',
      '[]',
      '{"vr":5,"Value":"x"}',
      '{"vr":"LO","Value":{}}',
      '{"vr":"SQ","Value":[null,1]}',
    ]) {
      const row = `[{"00081030":${attribute},"00400275":${attribute}}]`
      const odd = await ask('studies?StudyDescription=e*', ({ offset }) => (offset === 0 ? row : null))
      t.ok(odd.status === 200 || odd.code === 'upstream-invalid', `${attribute}: ${odd.status} ${odd.body}`)
    }
  })

  t.test('rows nested deeper than a stack', async (t) => {
    const deep = `[{"00081030":{"vr":"LO","Value":["even"]},"0020000D":{"vr":"UI","Value":["1.2"]},"00091001":${'['.repeat(200_000)}${']'.repeat(200_000)}}]`
    const whole = await ask('studies?StudyDescription=even', ({ offset }) => (offset === 0 ? deep : null))
    t.ok(whole.status === 200 ? whole.body === deep : whole.code === 'upstream-invalid', `${whole.status}`)
    const added = await ask('studies?StudyDescription=even&NumberOfStudyRelatedSeries', ({ offset }) =>
      offset === 0 ? deep : null,
    )
    t.equal(added.status, 200, added.body.slice(0, 300))
  })

  t.test('numbers that JavaScript can not hold, with attributes added', async (t) => {
    const row =
      '[{"00091001": {"vr":"UV","Value":[18446744073709551615,1.10,"\\",{\\"é"]},"0020000D":{"vr":"UI","Value":["1.2"]},"00209999":{}}]'
    const { body } = await ask('studies?NumberOfStudyRelatedSeries', ({ path, offset }) =>
      offset > 0 ? null : path.endsWith('/series') ? [rowOf(0)] : row,
    )
    t.equal(body, row.replace('"00209999"', '"00201206":{"vr":"IS","Value":[1]},"00209999"'))
  })

  t.test('keys by the thousand, and pages of keys', async (t) => {
    for (const query of [
      Array.from({ length: 1_000 }, () => 'StudyTime=1').join('&'),
      Array.from({ length: 99 }, (_, at) => `StudyDescription=*${'a'.repeat(90)}${at}*`).join('&'),
      `StudyDescription=${'a%5C'.repeat(2_500)}`,
      `StudyTime=${'1-'.repeat(5_000)}`,
      `${'00400275.'.repeat(1_000)}00400009=x`,
      `includefield=${'00081030,'.repeat(1_000)}all&StudyDescription=e*`,
    ]) {
      const { status, body } = await ask(`studies?${query}`, (page) => within(rows, page))
      t.ok([200, 400, 413, 414, 431].includes(status), `${query.slice(0, 30)} ${status} ${body.slice(0, 300)}`)
    }
    t.equal(log().filter(({ level }) => level === 'error').length, 0, 'none is a failure of the proxy')
  })
})

t.test('one pass of a value, however hostile the key', (t) => {
  const started = performance.now()
  // 6 s where each place of the text began again.
  t.notOk(matchesWildcard('a'.repeat(2_000_000), `*${'a'.repeat(253)}b`))
  // 6 s where each hyphen did, with all that is before it.
  const key = (value: string) => ({ value, emptyMatching: false, multipleMatching: false })
  t.notOk(matchesKey({ vr: 'DT', Value: ['2024'] }, key(`${'1'.repeat(20_000)}${'-'.repeat(20_000)}`)))
  // 30 s where a list was read again for each row.
  const list = key('a\\'.repeat(7_500))
  for (let row = 0; row < 200; row += 1) matchesKey({ vr: 'PN', Value: [{ Alphabetic: 'x' }] }, list)
  t.ok(performance.now() - started < 10_000)
  t.end()
})
