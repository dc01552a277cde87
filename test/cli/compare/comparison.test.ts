import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { Difference } from '../../../src/cli/compare/difference.ts'
import type { StoreRequest, StoreResponse } from '../../../src/cli/conformance/store-client.ts'
import { DiagnosedError } from '../../../src/errors.ts'
import type { OrthancResource } from '../../../src/orthanc/orthanc-rest.ts'
import { compared } from './compared.ts'

/** `study/series/instance` of each instance. */
type Content = ReadonlySet<string>

const idOf = (path: string) => createHash('sha1').update(path).digest('hex')

/** What an Orthanc responds that has these instances. */
function orthancWith(content: Content) {
  const children = (prefix: string) => {
    const names = [...content].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length))
    return [...new Set(names.map((name) => `${prefix}${name.split('/')[0]}`))]
  }
  const paths = new Map([...content].flatMap((path) => prefixesOf(path).map((prefix) => [idOf(prefix), prefix])))
  const keywords = ['StudyInstanceUID', 'SeriesInstanceUID', 'SOPInstanceUID']
  const resource = (path: string): OrthancResource => {
    const uids = path.split('/')
    return { ID: idOf(path), MainDicomTags: { [keywords[uids.length - 1] ?? '']: uids.at(-1) ?? '' } }
  }
  return {
    list: async () => children('').map(idOf),
    resource: async (_: string, id: string) => resource(paths.get(id) ?? ''),
    children: async (_: string, id: string) => children(`${paths.get(id)}/`).map(resource),
    lookup: async (uid: string) => {
      const found = [...paths.values()].filter((path) => path.split('/').at(-1) === uid)
      const types = ['Study', 'Series', 'Instance']
      return found.map((path) => ({ ID: idOf(path), Path: '', Type: types[path.split('/').length - 1] ?? '' }))
    },
  }
}

function prefixesOf(path: string): string[] {
  return path.split('/').map((_, at, uids) => uids.slice(0, at + 1).join('/'))
}

interface GoogleOptions {
  /** Whether rows of instances name their series: yes, no, or the search that asks for it is refused. */
  readonly namesSeries?: boolean | 'refused'
  /** Called before each response. */
  readonly onSearch?: (path: string) => void
}

/** Responds to searches as a store that has these instances. */
function googleWith(content: () => Content, { namesSeries = true, onSearch }: GoogleOptions = {}) {
  return {
    async send({ path }: StoreRequest): Promise<StoreResponse> {
      onSearch?.(path)
      const url = new URL(path, 'http://google/')
      if (namesSeries === 'refused' && url.searchParams.has('includefield')) return response(400, '{}')
      const depth = ['/studies', '/series', '/instances'].indexOf(url.pathname) + 1
      const key = (name: string) => url.searchParams.get(name)
      const wanted = [key('StudyInstanceUID'), key('SeriesInstanceUID'), key('SOPInstanceUID')]
      const matches = [...content()].filter((each) =>
        each.split('/').every((uid, at) => wanted[at] === null || wanted[at] === uid),
      )
      const paths = [...new Set(matches.map((each) => prefixesOf(each)[depth - 1] ?? ''))]
      const [limit, offset] = [Number(key('limit')), Number(key('offset'))]
      const rows = paths.slice(offset, offset + limit).map((each) => {
        const [study, series, instance] = each.split('/')
        const tags = {
          1: { '0020000D': study },
          2: { '0020000E': series },
          3: { '00080018': instance, ...(namesSeries && { '0020000E': series }) },
        }[depth]
        return Object.fromEntries(Object.entries(tags ?? {}).map(([tag, uid]) => [tag, { vr: 'UI', Value: [uid] }]))
      })
      return response(rows.length > 0 ? 200 : 204, rows.length > 0 ? JSON.stringify(rows) : '')
    },
  }
}

function response(status: number, text: string): StoreResponse {
  const body = Buffer.from(text)
  return { status, headers: {}, rawBody: body, body }
}

function compare(
  orthanc: ReturnType<typeof orthancWith>,
  google: { send(request: StoreRequest): Promise<StoreResponse> },
  bounds = { maxRows: 3, maxOffset: 1_000_000 },
) {
  return compared(orthanc, google, bounds)
}

/** All that is missing on one side, as paths. */
function missing(differences: readonly Difference[], side: 'missingAtGoogle' | 'missingInOrthanc'): string[] {
  const paths = differences.flatMap((difference) =>
    (difference[side]?.series ?? []).flatMap(({ uid, instances }) =>
      instances.map((instance) => `${difference.study}/${uid}/${instance}`),
    ),
  )
  return paths.sort()
}

/** The instances that commands with these of Orthanc's identifiers would send. */
function sentBy(differences: readonly Difference[], content: Content): string[] {
  const ids = new Set(differences.flatMap(({ missingAtGoogle }) => missingAtGoogle?.resources ?? []))
  return [...content].filter((path) => prefixesOf(path).some((prefix) => ids.has(idOf(prefix)))).sort()
}

const instance = fc
  .tuple(fc.nat(3), fc.nat(2), fc.nat(4))
  .map(([study, series, at]) => `1.${study}/1.${study}.${series}/1.${study}.${series}.${at}`)
const content = fc.uniqueArray(instance, { maxLength: 40 }).map((paths): Content => new Set(paths))

t.test('everything that either side lacks is found, and nothing else', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      content,
      content,
      fc.constantFrom(true, false, 'refused' as const),
      async (atOrthanc, atGoogle, namesSeries) => {
        const { totals, differences, failures } = await compare(
          orthancWith(atOrthanc),
          googleWith(() => atGoogle, { namesSeries }),
        )
        const onlyInOrthanc = [...atOrthanc].filter((path) => !atGoogle.has(path)).sort()
        const onlyAtGoogle = [...atGoogle].filter((path) => !atOrthanc.has(path)).sort()
        assert.deepEqual(failures, [])
        assert.deepEqual(missing(differences, 'missingAtGoogle'), onlyInOrthanc)
        assert.deepEqual(missing(differences, 'missingInOrthanc'), onlyAtGoogle)
        assert.deepEqual(sentBy(differences, atOrthanc), onlyInOrthanc, 'only what is missing is sent')
        assert.equal(totals.missingAtGoogle.instances, onlyInOrthanc.length)
        assert.equal(totals.missingInOrthanc.instances, onlyAtGoogle.length)
        assert.equal(new Set(differences.map(({ study }) => study)).size, differences.length, 'each study once')
      },
    ),
    { numRuns: 200 },
  )
  t.pass('200 pairs')
})

t.test('what a shift between two pages hides is not missing', async (t) => {
  const all = Array.from({ length: 8 }, (_, at) => `1.1/1.1.1/1.1.1.${at}`)
  const gone = '1.1/1.1.1/1.1.1.00'
  let searches = 0
  const atGoogle = () => new Set(searches > 1 ? all : [gone, ...all])
  const google = googleWith(atGoogle, {
    onSearch(path) {
      if (path.includes('includefield')) searches++
    },
  })
  const { differences } = await compare(orthancWith(new Set(all)), google)
  t.same(missing(differences, 'missingAtGoogle'), [])
})

t.test('a failure of one study leaves the others; ten in a row end it', async (t) => {
  const studies = Array.from({ length: 30 }, (_, at) => `1.${at}/1.${at}.1/1.${at}.1.1`)
  const one = await compare(
    orthancWith(new Set(studies)),
    failing(new Set(studies), (path) => path.includes('=1.7&')),
  )
  t.match(one.totals, { compared: 29, failed: 1, stopped: null })
  t.match(one.failures, [{ study: '1.7', error: { problem: /refuses|denies|permission|403/i } }])
  t.same(one.differences, [])

  const all = await compare(
    orthancWith(new Set(studies)),
    failing(new Set(studies), () => true),
  )
  t.ok(all.totals.stopped instanceof DiagnosedError)
  t.ok(all.totals.failed >= 10 && all.totals.failed < 20, `${all.totals.failed}`)
  t.same(all.differences, [])
})

function failing(content: Content, isRefused: (path: string) => boolean) {
  const google = googleWith(() => content)
  return {
    async send(request: StoreRequest): Promise<StoreResponse> {
      return isRefused(request.path) ? response(403, '{}') : google.send(request)
    },
  }
}

t.test('pages that are shorter than asked for are not the end', async (t) => {
  const content = new Set(Array.from({ length: 5 }, (_, at) => `1.1/1.1.1/1.1.1.${at}`))
  const whole = googleWith(() => content)
  const google = {
    send: (request: StoreRequest) => whole.send({ ...request, path: request.path.replace(/limit=\d+/, 'limit=2') }),
  }
  const { totals, differences } = await compare(orthancWith(content), google)
  t.same([differences, totals.compared, totals.failed, totals.stopped], [[], 1, 0, null])
  const { differences: withheld } = await compare(orthancWith(new Set([...content].slice(0, 3))), google)
  t.same(missing(withheld, 'missingInOrthanc'), [...content].slice(3))
})

t.test('the same page again and again is told, and ends', async (t) => {
  const content = new Set(['1.1/1.1.1/1.1.1.1'])
  const whole = googleWith(() => content)
  const google = {
    send: (request: StoreRequest) => whole.send({ ...request, path: request.path.replace(/offset=\d+/, 'offset=0') }),
  }
  const { totals, failures } = await compare(orthancWith(content), google)
  t.match([totals.failed, failures[0]?.error.problem], [1, /same page/])
})

t.test('Google has more studies than its searches reach: said, not hidden', async (t) => {
  const studies = new Set(Array.from({ length: 30 }, (_, at) => `1.${at}/1.${at}.1/1.${at}.1.1`))
  const google = googleWith(() => studies)
  const { totals } = await compare(orthancWith(studies), google, { maxRows: 10, maxOffset: 10 })
  t.match(totals.stopped, { code: 'too-many-studies', remedy: /--since/ })
})
