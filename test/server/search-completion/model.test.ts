import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { DataSet } from '../../helpers/search-matching.ts'
import { type ModelResponse, type ModelSearch, searchModel } from '../../helpers/search-model.ts'
import { startServed } from '../../helpers/served.ts'
import { pathOf, searches, spellings, stores, table } from './random-searches.ts'

// Random searches of random stores, asked through the proxy, against a model of PS3.4 C.2.2.2 and
// PS3.18 8.3.4 that was written from the standard. The emulator refuses what Google refuses.

const samples = 4
const maxRows = 4
const storeName = (at: number) => `projects/demo/locations/europe-west4/datasets/imaging/dicomStores/store-${at}`
const numbers = Array.from({ length: samples }, (_, at) => at)
/** The same stores each time: which are searched how is what varies. */
const contents = fc.sample(stores, { numRuns: samples, seed: 2 })

/** What was found here, and mended. */
const seenToFail: [number, ModelSearch, (text: string) => string][] = (
  [
    // A list of one UID found the whole store.
    { level: 'studies', query: [['StudyInstanceUID', '1.2.3,1.2.3']] },
    { level: 'studies', query: [['StudyInstanceUID', '1.2.3,']] },
    // The end of a range before its beginning was refused as no date.
    { level: 'studies', query: [['PatientBirthDate', '20240131-20240101']] },
    { level: 'studies', query: [['StudyTime', '12-10']] },
    // Two lists of UIDs were refused in one order, and completed in the other.
    {
      level: 'series',
      query: [
        ['SeriesInstanceUID', '1.2.1.1,1.2.2.1,1.2.3.1'],
        ['StudyInstanceUID', '1.2.3\\1.2.1'],
      ],
    },
    // An encoded "true" was none.
    {
      level: 'studies',
      query: [
        ['PatientSex', '""'],
        ['emptyvaluematching', 'true'],
      ],
    },
  ] satisfies ModelSearch[]
).map((search) => [0, search, spellings[3] ?? encodeURIComponent])

type Rows = Extract<ModelResponse, { kind: 'rows' }>

t.test('searches against the model', async (t) => {
  const { proxy } = await startServed(t, {
    emulator: { stores: numbers.map(storeName) },
    accounts: ({ serviceAccountFile }) => {
      const store = {
        Project: 'demo',
        Location: 'europe-west4',
        Dataset: 'imaging',
        ServiceAccountFile: serviceAccountFile,
      }
      const accounts = numbers.flatMap((at): [string, object][] => {
        const own = { ...store, DicomStore: `store-${at}` }
        return [
          [`plain-${at}`, own],
          [`whole-${at}`, { ...own, SearchCompletion: { Enabled: true } }],
          [`small-${at}`, { ...own, SearchCompletion: { MaxRows: maxRows } }],
        ]
      })
      return { google: { ...store, DicomStore: 'store-0' }, ...Object.fromEntries(accounts) }
    },
  })
  const ask = async (account: string, path: string) => {
    const response = await fetch(`${proxy.accountUrls.get(account)}${path}`, {
      headers: { accept: 'application/dicom+json' },
    })
    // URLs of bulk data lead to the account that was asked.
    const body = (await response.text()).replaceAll(/\/(?:plain|whole|small)-\d\//g, '/ACCOUNT/')
    return { status: response.status, body }
  }
  /** All that the store says of its instances. */
  const instances: DataSet[][] = []
  for (const [at, content] of contents.entries()) {
    const stored = await fetch(`${proxy.accountUrls.get(`plain-${at}`)}studies`, stowOf(content))
    await stored.arrayBuffer()
    t.equal(stored.status, 200, 'stored')
    const all = await ask(`plain-${at}`, 'instances?includefield=all&limit=50000')
    instances.push(JSON.parse(all.body) as DataSet[])
    t.equal(instances[at]?.length, content.length)
  }

  const expect = (at: number, search: ModelSearch) => searchModel(instances[at] ?? [], search)
  const checkWhole = async (at: number, search: ModelSearch, path: string) => {
    const expected = expect(at, search)
    compare(await ask(`whole-${at}`, path), expected, path)
    return expected
  }
  const checkPlain = async (at: number, search: ModelSearch, path: string) => {
    compare(await ask(`plain-${at}`, path), expect(at, { ...search, completion: false }), `${path}, not completed`)
  }
  /** The whole page, or 413 where there are more rows than may be read. */
  const checkBounded = async (at: number, path: string, expected: Rows) => {
    const response = await ask(`small-${at}`, path)
    if (response.status === 413 && expected.total > maxRows) return
    compare(response, expected, `${path}, with a bound of rows`)
  }

  t.test('each attribute, by each of its keys, at each level', async (t) => {
    let telling = 0
    for (const [at, search] of table.entries()) {
      const path = pathOf(search)
      const expected = await checkWhole(0, search, path)
      if (at % 3 === 0) await checkPlain(0, search, path)
      if (expected.kind === 'rows' && expected.rows.length > 0 && expected.rows.length < expected.total) telling += 1
    }
    t.ok(telling > 150, 'many of them tell some rows from others')
  })

  t.test('keys, lists, windows and fields together', async () => {
    const property = fc.asyncProperty(
      ...([fc.nat(samples - 1), searches, fc.constantFrom(...spellings)] as const),
      async (at, search, spell) => {
        const path = pathOf(search, spell)
        const expected = await checkWhole(at, search, path)
        if (expected.kind === 'rows') await checkBounded(at, path, expected)
      },
    )
    await fc.assert(property, { numRuns: 150, examples: seenToFail })
  })
})

/** Throws unless a response is what the model says. */
function compare({ status, body }: { status: number; body: string }, expected: ModelResponse, where: string): void {
  const shouldBe = expected.kind === 'refused' ? 400 : 200
  if (status !== shouldBe) throw new Error(`${where}\n${status}, not ${shouldBe}: ${body.slice(0, 500)}`)
  if (expected.kind === 'refused') return
  const rows = JSON.parse(body) as DataSet[]
  const shown = (rows: readonly DataSet[]) => JSON.stringify(rows.map(uidsOf))
  if (shown(rows) !== shown(expected.rows))
    throw new Error(`${where}\nfound ${shown(rows)}\nnot   ${shown(expected.rows)}`)
  for (const [at, row] of rows.entries()) {
    if (isDeepStrictEqual(row, expected.rows[at])) continue
    throw new Error(`${where}\nrow ${at} ${JSON.stringify(row)}\nnot ${JSON.stringify(expected.rows[at])}`)
  }
}

function uidsOf(row: DataSet): string {
  return ['0020000D', '0020000E', '00080018']
    .map((tag) => row[tag]?.Value?.[0] ?? '')
    .join(' ')
    .trim()
}

/** A STOW-RS request with metadata in JSON, and no bulk data. */
function stowOf(instances: readonly DataSet[]) {
  const type = 'application/dicom+json'
  const body = `--b\r\nContent-Type: ${type}\r\n\r\n${JSON.stringify(instances)}\r\n--b--`
  return {
    method: 'POST',
    headers: { 'content-type': `multipart/related; type="${type}"; boundary=b`, accept: type },
    body,
  }
}
