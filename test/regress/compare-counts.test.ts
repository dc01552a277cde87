// Seen: a study that could not be compared counted as "completely at Google" in the verdict of
// `compare`. An UID that Google refuses (400) made all further studies cost a search for each
// series. With one SOP Instance UID in two series, a missing instance was taken for stored when the
// search came page by page. One broken connection among thousands made a comparison incomplete.
import t from 'tap'
import { verdict } from '../../src/cli/compare/report.ts'
import type { StoreRequest, StoreResponse } from '../../src/cli/conformance/store-client.ts'
import { compared } from '../cli/compare/compared.ts'

type Instance = readonly [study: string, series: string, sop: string]

function response(status: number, body: unknown): StoreResponse {
  const bytes = Buffer.from(JSON.stringify(body))
  return { status, headers: {}, rawBody: bytes, body: bytes }
}

function orthancWith(content: readonly Instance[]) {
  const named = (keyword: string, level: number, id: string) =>
    [...new Set(content.map((each) => each.slice(0, level + 1).join('/')))]
      .filter((path) => path.startsWith(id))
      .map((path) => ({ ID: path, MainDicomTags: { [keyword]: path.split('/')[level] ?? '' } }))
  return {
    list: async () => named('StudyInstanceUID', 0, '').map(({ ID }) => ID),
    resource: async (_: string, id: string) => ({ ID: id, MainDicomTags: { StudyInstanceUID: id } }),
    children: async (level: string, id: string) =>
      level === 'studies' ? named('SeriesInstanceUID', 1, `${id}/`) : named('SOPInstanceUID', 2, `${id}/`),
    lookup: async (uid: string) => {
      const types = ['Study', 'Series', 'Instance']
      return content.flatMap((uids) =>
        uids.flatMap((each, at) => (each === uid ? [{ ID: each, Path: '', Type: types[at] ?? '' }] : [])),
      )
    },
  }
}

/** @param refuse the status of a response, if it is none with rows */
function googleWith(content: readonly Instance[], refuse: (query: URLSearchParams) => number | null = () => null) {
  const searches: string[] = []
  return {
    searches,
    async send({ path }: StoreRequest): Promise<StoreResponse> {
      const { pathname, searchParams } = new URL(path, 'http://google/')
      searches.push(pathname)
      const refused = refuse(searchParams)
      if (refused !== null) return response(refused, {})
      const [limit, offset] = [Number(searchParams.get('limit')), Number(searchParams.get('offset'))]
      const keys = ['StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID'].map((key) => searchParams.get(key))
      const level = ['/studies', '/series', '/instances'].indexOf(pathname)
      const matching = content.filter((uids) => uids.every((uid, at) => keys[at] === null || keys[at] === uid))
      const rows = [...new Set(matching.map((uids) => uids.slice(0, level + 1).join('/')))]
        .slice(offset, offset + limit)
        .map((path) => {
          const tags = ['0020000D', '0020000E', '00080018'].slice(0, level + 1)
          return Object.fromEntries(tags.map((tag, at) => [tag, { vr: 'UI', Value: [path.split('/')[at]] }]))
        })
      return rows.length > 0 ? response(200, rows) : response(204, '')
    },
  }
}

function compare(orthanc: readonly Instance[], google: ReturnType<typeof googleWith>, maxRows = 1_000) {
  return compared(orthancWith(orthanc), google, { maxRows, maxOffset: 1_000_000 })
}

const studies = (count: number): Instance[] =>
  Array.from({ length: count }, (_, at) => [`1.${at}`, `2.${at}`, `3.${at}`])

t.test('a study that could not be compared is not said to be at Google', async (t) => {
  const content = studies(30)
  const google = googleWith(content, (query) => (query.get('StudyInstanceUID') === '1.7' ? 403 : null))
  const { totals } = await compare(content, google)
  t.match(totals, { compared: 29, failed: 1, stopped: null })
  t.same(verdict(totals, null), [
    '29 studies in Orthanc: 29 completely at Google.',
    'Not complete: 1 study could not be compared.',
  ])
})

t.test('a UID that Google refuses makes no other study dear', async (t) => {
  const content: Instance[] = [['not a UID', '2', '3'], ...studies(30)]
  const google = googleWith(content.slice(1), (query) => (query.get('StudyInstanceUID') === 'not a UID' ? 400 : null))
  const { totals, failures } = await compare(content, google)
  t.match(totals, { compared: 30, failed: 1, missingAtGoogle: { studies: 0 } })
  t.match(failures, [{ study: 'not a UID' }])
  t.equal(google.searches.filter((path) => path === '/series').length, 1, 'of the refused one only')
})

t.test('the same SOP Instance UID in two series', async (t) => {
  const inOrthanc: Instance[] = ['2.1', '2.2'].flatMap((series) =>
    ['3.1', '3.2', '3.3'].map((sop): Instance => ['1', series, sop]),
  )
  const missing = inOrthanc[4] as Instance
  const google = googleWith(inOrthanc.filter((each) => each !== missing))
  const { differences } = await compare(inOrthanc, google, 2)
  t.match(differences, [
    { missingAtGoogle: { series: [{ uid: '2.2', instances: ['3.2'] }], resources: ['1/2.2/3.2'] } },
  ])
})

t.test('a connection that breaks costs no study', async (t) => {
  const content = studies(3)
  const google = googleWith(content)
  const broken = new Set<string>()
  const send = (request: StoreRequest) => {
    if (broken.has(request.path)) return google.send(request)
    broken.add(request.path)
    return Promise.reject(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
  }
  const { totals } = await compare(content, { ...google, send })
  t.match(totals, { compared: 3, failed: 0, stopped: null })
})
