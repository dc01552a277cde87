import { multipartBody } from '../multipart.ts'
import { typedOutcome } from '../outcome.ts'
import type { Statement } from '../statement.ts'
import { storedOf, storeOutcome } from '../store-response.ts'
import { dicomJson, type TestStore } from '../test-store.ts'

const noJob = 'A STOW job of Orthanc succeeds only if the response lists each instance: sending fails.'
/** Google says that searches may lag; half a minute is far more than that. */
const maxLagMs = 30_000

type Accepts = Pick<Statement, 'reliedOn' | 'certainty' | 'sources' | 'expected'> & { readonly accept: string | null }

const accepts = {
  default: {
    accept: null,
    reliedOn: 'The response to an upload without Accept is XML',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, application/dicom+xml'],
  },
  any: {
    accept: '*/*',
    reliedOn: 'The response to an upload with Accept: */* is XML',
    certainty: 'recorded',
    sources: ['CLI44', 'DC249', 'CS'],
    expected: ['200, application/dicom+xml'],
  },
  xml: {
    accept: 'application/dicom+xml',
    reliedOn: 'The response to an upload with Accept: application/dicom+xml is XML',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, application/dicom+xml'],
  },
  json: {
    accept: 'application/json',
    reliedOn: 'An upload with Accept: application/json gets JSON, or is refused with 406 or 400',
    certainty: 'assumed',
    sources: ['CS'],
    expected: ['200, application/dicom+json', '200, application/json', '406', '400'],
  },
} as const satisfies Readonly<Record<string, Accepts>>

const syntaxNames = {
  implicit: 'Implicit VR Little Endian',
  deflated: 'Deflated Explicit VR Little Endian',
  bigEndian: 'Explicit VR Big Endian',
  rle: 'RLE Lossless',
} as const
const syntaxes = Object.keys(syntaxNames) as (keyof typeof syntaxNames)[]

const boundary = 'conformance-test-boundary'

/** STOW-RS: storing the test's own studies, and the forms of the response. */
export const storing: readonly Statement[] = [
  {
    id: 'stow.success',
    reliedOn: 'An upload as Orthanc sends it is 200, and lists each instance under 0008,1199',
    certainty: 'documented',
    sources: ['CS', 'PYT'],
    expected: ['200, 3 stored'],
    difference: noJob,
    observe: async ({ store, data, markStored, notes }) => {
      const response = await store(data.mainInstances)
      if (response.status < 300) markStored(data.main.uid)
      notes.set('stow.type-dicom-json', typedOutcome(response))
      notes.set('stow.retrieve-url', storedOf(response)?.retrieveUrl ?? '')
      return storeOutcome(response)
    },
  },
  {
    id: 'stow.type-dicom-json',
    reliedOn: 'The response to an upload with Accept: application/dicom+json is JSON',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, application/dicom+json'],
    difference: noJob,
    observe: async ({ main: _, notes }) => notes.get('stow.type-dicom-json') ?? 'no response',
  },
  {
    id: 'stow.retrieve-url',
    reliedOn: 'URLs in responses begin with BaseUrl and the store, spelled as in the configuration',
    certainty: 'assumed',
    sources: [],
    expected: ['as configured'],
    difference:
      "The proxy may not rewrite such URLs: clients that follow them could reach Google without a token. It recognizes Google's hosts, and the project's number if the id is configured.",
    observe: async ({ main: _, notes, client }) => urlOutcome(notes.get('stow.retrieve-url') ?? '', client.dicomWebUrl),
  },
  {
    id: 'stow.searchable',
    reliedOn: 'A stored study is found by searches at once, or within half a minute',
    certainty: 'assumed',
    sources: [],
    expected: ['at once', 'within 30 s'],
    difference: 'Clients that search right after sending miss what they sent.',
    observe: async ({ main, search, until }) => {
      const isFound = async () => (await search(`studies?StudyInstanceUID=${main.uid}`)).status === 200
      const took = await until(isFound, maxLagMs)
      if (took === null) return 'not within 30 s'
      return took === 0 ? 'at once' : 'within 30 s'
    },
  },
  ...(['default', 'any', 'json', 'xml'] as const).map(responseType),
  {
    id: 'stow.chunked',
    reliedOn: 'An upload may be chunked, without a Content-Length',
    certainty: 'recorded',
    sources: ['AD'],
    expected: ['200, 1 stored'],
    difference: 'Orthanc sends so by default: sending fails. Set ChunkedTransfers to 0 in its entry of the server.',
    observe: (test) => storesOne(test, 10, (store, instance) => store([instance], { chunked: true })),
  },
  {
    id: 'stow.single-part',
    reliedOn: 'An upload may be one instance with Content-Type: application/dicom',
    certainty: 'documented',
    sources: ['HT'],
    expected: ['200, 1 stored'],
    difference: 'Scripts that send single files fail.',
    observe: (test) =>
      storesOne(test, 11, (_, { bytes }) =>
        test.send({
          path: 'studies',
          method: 'POST',
          headers: { 'content-type': 'application/dicom', accept: dicomJson },
          body: bytes,
        }),
      ),
  },
  {
    id: 'stow.into-study',
    reliedOn: 'An upload to studies/STUDY takes instances of that study',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, 1 stored'],
    difference: 'Clients that upload into a named study fail.',
    observe: (test) =>
      storesOne(test, 12, (store, instance) => store([instance], { path: `studies/${instance.study}` })),
  },
  {
    id: 'stow.special-values',
    reliedOn: 'Patient names outside of ASCII, and colon, slash and comma in a patient ID are stored',
    certainty: 'assumed',
    sources: [],
    expected: ['200, 1 stored'],
    difference: 'Instances of such patients are refused.',
    observe: async ({ store, data, markStored }) => {
      const response = await store([data.instance(data.spelling, 1, 1)])
      if (response.status === 200) markStored(data.spelling.uid)
      return storeOutcome(response)
    },
  },
  ...(['implicit', 'deflated', 'bigEndian', 'rle'] as const).map(inSyntax),
  {
    id: 'stow.storage-class',
    reliedOn: 'The header Storage-Class chooses a storage class; STANDARD is one',
    certainty: 'documented',
    sources: ['HT', 'RN'],
    expected: ['200, 1 stored'],
    difference: 'Clients that choose a storage class fail.',
    observe: (test) =>
      storesOne(test, 13, (store, instance) => store([instance], { headers: { 'storage-class': 'STANDARD' } })),
  },
  {
    id: 'stow.storage-class-unknown',
    reliedOn: 'Whether an unknown storage class is refused or ignored is not known',
    certainty: 'assumed',
    sources: ['HT'],
    expected: ['400', '200, 1 stored'],
    difference: 'Clients get another response to a mistake in this header. Orthanc does not send it.',
    observe: async ({ store, data }) =>
      storeOutcome(
        await store([data.instance(data.ways, 1, 14)], { headers: { 'storage-class': 'NO_SUCH_STORAGE_CLASS' } }),
      ),
  },
  {
    id: 'stow.json-and-bulk-data',
    reliedOn: 'An upload may be metadata in JSON with bulk data in parts of their own',
    certainty: 'documented',
    sources: ['CS', 'HT'],
    expected: ['200, 1 stored'],
    difference: 'Clients that send this form fail.',
    observe: (test) => storesOne(test, 15, () => storeJson(test)),
  },
]

function urlOutcome(url: string, dicomWebUrl: string): string {
  if (url === '') return 'no RetrieveURL'
  if (url.startsWith(dicomWebUrl)) return 'as configured'
  const [configured, seen] = [new URL(dicomWebUrl), URL.parse(url)]
  if (seen === null) return 'not a URL'
  if (seen.host !== configured.host) return 'another host'
  const project = seen.pathname.split('/')[3] ?? ''
  return /^\d+$/.test(project) && !configured.pathname.split('/').includes(project)
    ? 'the project by its number'
    : 'another path'
}

/** Each stores an instance of its own: what an instance that exists gets is another question. */
function responseType(name: keyof typeof accepts): Statement {
  const { accept, ...statement } = accepts[name]
  return {
    ...statement,
    id: `stow.type-${name}`,
    difference:
      'Clients other than Orthanc read the wrong form, or none. The proxy counts stored instances in both forms.',
    observe: async ({ store, data }) => {
      const number = 20 + Object.keys(accepts).indexOf(name)
      return typedOutcome(await store([data.instance(data.ways, 1, number)], { accept }))
    },
  }
}

type Send = (
  store: TestStore['store'],
  instance: ReturnType<TestStore['data']['instance']>,
) => ReturnType<TestStore['store']>

async function storesOne(test: TestStore, number: number, send: Send): Promise<string> {
  const instance = test.data.instance(test.data.ways, 1, number)
  const response = await send(test.store, instance)
  if (response.status === 200) test.markStored(instance.instance)
  return storeOutcome(response)
}

/** Instance numbers of the other syntaxes in the study of ways. */
export function syntaxInstance({ data }: Pick<TestStore, 'data'>, syntax: keyof typeof syntaxNames) {
  return data.instance(data.ways, 1, 1 + syntaxes.indexOf(syntax), { syntax })
}

function inSyntax(syntax: keyof typeof syntaxNames): Statement {
  return {
    id: `stow.syntax-${syntax === 'bigEndian' ? 'big-endian' : syntax}`,
    reliedOn: `Instances in ${syntaxNames[syntax]} are stored`,
    certainty: 'documented',
    sources: ['CS'],
    expected: ['200, 1 stored'],
    difference: `Instances in this transfer syntax are refused: convert them before they are sent.`,
    observe: async (test) => {
      const instance = syntaxInstance(test, syntax)
      const response = await test.store([instance])
      if (response.status === 200) test.markStored(instance.instance)
      return storeOutcome(response)
    },
  }
}

/** PS3.18, 10.5.1.2: a JSON array, and a part for each BulkDataURI in it. */
function storeJson({ send, data }: TestStore) {
  const { study, series, instance, frames } = data.instance(data.ways, 1, 15)
  const { patientName, patientId, accessionNumber, studyDate } = data.ways
  const location = 'pixels'
  const element = (vr: string, ...Value: unknown[]) => ({ vr, Value })
  const dataSet = {
    '00020010': element('UI', '1.2.840.10008.1.2.1'),
    '00080005': element('CS', 'ISO_IR 192'),
    '00080016': element('UI', '1.2.840.10008.5.1.4.1.1.2'),
    '00080018': element('UI', instance),
    '00080020': element('DA', studyDate),
    '00080050': element('SH', accessionNumber),
    '00080060': element('CS', 'CT'),
    '00100010': element('PN', { Alphabetic: patientName }),
    '00100020': element('LO', patientId),
    '0020000D': element('UI', study),
    '0020000E': element('UI', series),
    '00280002': element('US', 1),
    '00280004': element('CS', 'MONOCHROME2'),
    '00280010': element('US', 16),
    '00280011': element('US', 16),
    '00280100': element('US', 16),
    '00280101': element('US', 12),
    '00280102': element('US', 11),
    '00280103': element('US', 0),
    '7FE00010': { vr: 'OW', BulkDataURI: location },
  }
  return send({
    path: 'studies',
    method: 'POST',
    headers: {
      'content-type': `multipart/related; type="application/dicom+json"; boundary=${boundary}`,
      accept: dicomJson,
    },
    body: multipartBody(
      [
        { type: dicomJson, bytes: Buffer.from(JSON.stringify([dataSet])) },
        {
          type: 'application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1',
          location,
          bytes: Buffer.concat(frames),
        },
      ],
      boundary,
    ),
  })
}
