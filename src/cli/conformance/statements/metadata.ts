import { shownType } from '../media-type.ts'
import { multipartOf } from '../multipart.ts'
import { type Row, rowsOf, typedOutcome } from '../outcome.ts'
import type { Statement } from '../statement.ts'
import { longVectorTag, privateBinary } from '../test-data.ts'
import { dicomJson, type TestStore } from '../test-store.ts'
import { withArticle } from '../wording.ts'

const noViewer = 'Viewers cannot open studies: they read the metadata first.'

function instancePath(study: string): string {
  return `studies/${study}/series/${study}.1/instances/${study}.1.1`
}

const levels = [
  ['study', 3, (uid: string) => `studies/${uid}`],
  ['series', 2, (uid: string) => `studies/${uid}/series/${uid}.1`],
  ['instance', 1, instancePath],
] as const

/** The data set of the main study's first instance. */
async function dataSetOf({ main, get }: TestStore): Promise<Row> {
  const response = await get(`${instancePath(main.uid)}/metadata`, dicomJson)
  return rowsOf(response)?.[0] ?? {}
}

type Element = { readonly BulkDataURI?: unknown; readonly InlineBinary?: unknown; readonly Value?: unknown } | undefined

function formOf(element: Element): string {
  if (element === undefined) return 'left out'
  if (typeof element.BulkDataURI === 'string') return 'BulkDataURI'
  if (element.InlineBinary !== undefined) return 'InlineBinary'
  return element.Value === undefined ? 'no value' : 'Value'
}

interface Form {
  readonly id: string
  readonly reliedOn: string
  readonly tag: string
  readonly difference: string
}

const forms: readonly Form[] = [
  {
    id: 'metadata.pixel-data',
    reliedOn: 'In metadata, pixel data are a BulkDataURI',
    tag: '7FE00010',
    difference: 'Metadata are as large as the images, or viewers do not find the pixels.',
  },
  {
    id: 'metadata.binary',
    reliedOn: 'In metadata, any OB attribute is a BulkDataURI, however small',
    tag: privateBinary.tag,
    difference: 'Clients that read such values must expect them inline.',
  },
  {
    id: 'metadata.long-vector',
    reliedOn: 'In metadata, FD with more than 512 values is a BulkDataURI',
    tag: longVectorTag,
    difference: 'Clients that read such values must expect them in place.',
  },
]

/** WADO-RS: metadata, and the bulk data that they name. */
export const metadata: readonly Statement[] = [
  ...levels.map(
    ([level, count, path]): Statement => ({
      id: `metadata.${level}`,
      reliedOn: `Metadata of ${withArticle(level)} are a JSON array with a data set for each instance`,
      certainty: 'documented',
      sources: ['CS'],
      expected: [`200, application/dicom+json, ${count}`],
      difference: noViewer,
      observe: async ({ main, get }) => {
        const response = await get(`${path(main.uid)}/metadata`, dicomJson)
        const rows = rowsOf(response)
        return response.status === 200 && rows ? `${typedOutcome(response)}, ${rows.length}` : typedOutcome(response)
      },
    }),
  ),
  {
    id: 'metadata.default',
    reliedOn: 'Without Accept metadata come in DICOM JSON',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, application/dicom+json'],
    difference: noViewer,
    observe: async ({ main, get }) => typedOutcome(await get(`${instancePath(main.uid)}/metadata`)),
  },
  {
    id: 'metadata.gzip',
    reliedOn: 'Metadata for a client that accepts gzip may come compressed, and say so',
    certainty: 'assumed',
    sources: ['RN'],
    expected: ['gzip', 'not compressed'],
    difference: 'The proxy reads only what is not compressed, or gzip: other codings pass unseen.',
    observe: async ({ main, get }) => {
      const { headers } = await get(`studies/${main.uid}/metadata`, dicomJson, { 'accept-encoding': 'gzip' })
      const coding = headers['content-encoding']
      return coding === undefined ? 'not compressed' : coding === 'gzip' ? 'gzip' : 'another coding'
    },
  },
  {
    id: 'metadata.file-meta',
    reliedOn: 'Metadata have the transfer syntax of the stored file, 0002,0010',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['there'],
    difference: 'Clients that read the transfer syntax from metadata do not find it.',
    observe: async (store) => ((await dataSetOf(store))['00020010'] === undefined ? 'missing' : 'there'),
  },
  ...forms.map(
    ({ tag, ...form }): Statement => ({
      ...form,
      certainty: 'documented',
      sources: ['CS', 'MI'],
      expected: ['BulkDataURI'],
      observe: async (store) => formOf((await dataSetOf(store))[tag] as Element),
    }),
  ),
  {
    id: 'bulkdata.url',
    reliedOn: 'A BulkDataURI is …/instances/INSTANCE/bulkdata/TAG below BaseUrl and the store, as configured',
    certainty: 'recorded',
    sources: ['MI', 'REF'],
    expected: ['as configured'],
    difference: 'The proxy may not rewrite it, or refuse its path: viewers could not read the value.',
    observe: async (store) => {
      const uri = await bulkDataUri(store)
      if (uri === null) return 'none'
      const expected = `${store.client.dicomWebUrl}${instancePath(store.main.uid)}/bulkdata/`
      if (uri.toLowerCase() === `${expected}${privateBinary.tag}`.toLowerCase()) return 'as configured'
      return uri.startsWith(store.client.dicomWebUrl) ? 'another path in the store' : 'another URL'
    },
  },
  {
    id: 'bulkdata.value',
    reliedOn: 'A BulkDataURI gives the value',
    certainty: 'documented',
    sources: ['CS', 'REF'],
    expected: ['the value'],
    difference: 'Viewers cannot read the value.',
    observe: async (store) => {
      const uri = await bulkDataUri(store)
      // The token goes nowhere else.
      if (uri === null || !uri.startsWith(store.client.dicomWebUrl)) return 'no URL in the store'
      const response = await store.sendTo(uri, { headers: { accept: '*/*' } })
      if (response.status !== 200) return `${response.status}`
      const body = multipartOf(response)?.parts[0]?.body ?? response.body
      return body.includes(privateBinary.value)
        ? 'the value'
        : `something else as ${shownType(response.headers['content-type'])}`
    },
  },
  {
    id: 'bulkdata.range',
    reliedOn: 'A Range of bulk data is honoured or ignored',
    certainty: 'assumed',
    sources: [],
    expected: ['200', '206'],
    difference: 'Viewers that load a value in parts, as dicomweb-client does with byteRange, fail.',
    observe: async (store) => {
      const uri = await bulkDataUri(store)
      if (uri === null || !uri.startsWith(store.client.dicomWebUrl)) return 'no URL in the store'
      const headers = { accept: 'application/octet-stream', range: 'bytes=0-9' }
      return `${(await store.sendTo(uri, { headers })).status}`
    },
  },
]

async function bulkDataUri(store: TestStore): Promise<string | null> {
  const element = (await dataSetOf(store))[privateBinary.tag] as Element
  return typeof element?.BulkDataURI === 'string' ? element.BulkDataURI : null
}
