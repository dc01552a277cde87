import { found, type Row, rowsOf, searchOutcome, typedOutcome } from '../outcome.ts'
import type { Statement } from '../statement.ts'
import type { TestStore } from '../test-store.ts'

/** Tags of attributes, by keyword. */
const tags = {
  StudyDate: '00080020',
  AccessionNumber: '00080050',
  Modality: '00080060',
  ModalitiesInStudy: '00080061',
  RetrieveURL: '00081190',
  SOPInstanceUID: '00080018',
  PatientName: '00100010',
  PatientID: '00100020',
  StudyDescription: '00081030',
  StudyInstanceUID: '0020000D',
  SeriesInstanceUID: '0020000E',
  SeriesNumber: '00200011',
  InstanceNumber: '00200013',
  NumberOfStudyRelatedSeries: '00201206',
  NumberOfStudyRelatedInstances: '00201208',
  NumberOfSeriesRelatedInstances: '00201209',
} as const
type Keyword = keyof typeof tags

/** The one row, or why there is none. */
async function rowOf({ search, main }: TestStore, path: (uid: string) => string): Promise<Row | string> {
  const response = await search(path(main.uid))
  const [row, ...more] = (response.status === 200 && rowsOf(response)) || []
  return row && more.length === 0 ? row : searchOutcome(response)
}

function hasOutcome(row: Row | string, keywords: readonly Keyword[]): string {
  if (typeof row === 'string') return row
  const there = keywords.filter((keyword) => row[tags[keyword]] !== undefined)
  if (there.length === keywords.length) return 'all of them'
  return there.length === 0 ? 'none of them' : `only ${there.join(', ')}`
}

interface Attributes {
  readonly id: string
  readonly reliedOn: string
  readonly expected: readonly string[]
  readonly path: (uid: string) => string
  readonly keywords: readonly Keyword[]
  readonly certainty?: Statement['certainty']
  readonly sources?: Statement['sources']
  readonly difference?: string
}

const blanks =
  'Viewers show other columns than the documents say, blank or filled: includefield decides what they can ask for.'

const attributes: readonly Attributes[] = [
  {
    id: 'rows.studies',
    reliedOn: 'Rows of studies have StudyInstanceUID, PatientName, PatientID, StudyDate and AccessionNumber',
    expected: ['all of them'],
    path: (uid) => `studies?StudyInstanceUID=${uid}`,
    keywords: ['StudyInstanceUID', 'PatientName', 'PatientID', 'StudyDate', 'AccessionNumber'],
  },
  {
    id: 'rows.studies-computed',
    reliedOn: 'Rows of studies lack ModalitiesInStudy, RetrieveURL and the numbers of series and instances',
    expected: ['none of them'],
    path: (uid) => `studies?StudyInstanceUID=${uid}`,
    keywords: ['ModalitiesInStudy', 'RetrieveURL', 'NumberOfStudyRelatedSeries', 'NumberOfStudyRelatedInstances'],
  },
  {
    id: 'rows.series',
    reliedOn: 'Rows of series have SeriesInstanceUID and Modality',
    expected: ['all of them'],
    path: (uid) => `studies/${uid}/series?SeriesInstanceUID=${uid}.1`,
    keywords: ['SeriesInstanceUID', 'Modality'],
  },
  {
    id: 'rows.series-computed',
    reliedOn: 'Rows of series lack SeriesNumber, RetrieveURL and the number of instances, unless includefield=all',
    expected: ['none of them'],
    path: (uid) => `studies/${uid}/series?SeriesInstanceUID=${uid}.1`,
    keywords: ['SeriesNumber', 'RetrieveURL', 'NumberOfSeriesRelatedInstances'],
  },
  {
    id: 'rows.series-all',
    reliedOn: 'With includefield=all rows of series have SeriesNumber',
    expected: ['all of them'],
    path: (uid) => `studies/${uid}/series?SeriesInstanceUID=${uid}.1&includefield=all`,
    keywords: ['SeriesNumber'],
  },
  {
    id: 'rows.instances',
    reliedOn: 'Rows of instances have SOPInstanceUID',
    expected: ['all of them'],
    path: (uid) => `studies/${uid}/series/${uid}.1/instances?SOPInstanceUID=${uid}.1.1`,
    keywords: ['SOPInstanceUID'],
  },
  {
    id: 'rows.instances-study',
    reliedOn: 'Rows of instances below a series do not repeat attributes of the patient and the study',
    expected: ['none of them'],
    path: (uid) => `studies/${uid}/series/${uid}.1/instances?SOPInstanceUID=${uid}.1.1`,
    keywords: ['PatientName', 'PatientID', 'StudyDate'],
  },
  {
    id: 'rows.parent-series',
    reliedOn: 'Rows of instances name their series if includefield asks for it',
    certainty: 'assumed',
    expected: ['all of them'],
    path: (uid) => `instances?StudyInstanceUID=${uid}&SOPInstanceUID=${uid}.1.1&includefield=SeriesInstanceUID`,
    keywords: ['SeriesInstanceUID', 'SOPInstanceUID'],
    difference: 'compare needs a search for each series.',
  },
  {
    id: 'rows.store-wide-series',
    reliedOn: 'Whether rows of a search through the whole store name the study of a series is not known',
    certainty: 'assumed',
    expected: ['all of them', 'none of them'],
    path: (uid) => `series?StudyInstanceUID=${uid}&SeriesInstanceUID=${uid}.1`,
    keywords: ['StudyInstanceUID'],
    difference: 'Clients that search all series of a store cannot tell which study each belongs to.',
  },
  {
    id: 'rows.includefield',
    reliedOn: 'includefield adds StudyDescription to rows of studies',
    expected: ['all of them'],
    path: (uid) => `studies?StudyInstanceUID=${uid}&includefield=StudyDescription`,
    keywords: ['StudyDescription'],
  },
  {
    id: 'rows.includefield-tag',
    reliedOn: 'includefield takes tags as well as keywords',
    certainty: 'assumed',
    expected: ['all of them'],
    path: (uid) => `studies?StudyInstanceUID=${uid}&includefield=00081030`,
    keywords: ['StudyDescription'],
  },
  {
    id: 'rows.repeated-includefield',
    reliedOn: 'includefield may be repeated, and may name what rows have unasked',
    certainty: 'recorded',
    sources: ['EZ'],
    expected: ['all of them'],
    path: (uid) => `studies?StudyInstanceUID=${uid}&includefield=PatientName&includefield=StudyDescription`,
    keywords: ['PatientName', 'StudyDescription'],
    difference: "Searches with keys without a value, such as Orthanc Explorer 2's, fail or show fewer columns.",
  },
]

interface Search {
  readonly id: string
  readonly reliedOn: string
  readonly certainty: Statement['certainty']
  readonly sources: Statement['sources']
  readonly expected: readonly string[]
  readonly difference: string
  readonly path: (uid: string) => string
}

const searches: readonly Search[] = [
  {
    id: 'rows.includefield-unsupported',
    reliedOn:
      'includefield of an attribute that Google does not offer, AvailableTransferSyntaxUID, is refused with 400',
    certainty: 'recorded',
    sources: ['WSID', 'CS'],
    expected: ['400'],
    difference: 'Viewers that ask for it get rows where the documents say that they fail.',
    path: (uid) => `instances?StudyInstanceUID=${uid}&includefield=AvailableTransferSyntaxUID`,
  },
  {
    id: 'rows.includefield-unknown',
    reliedOn: 'includefield of an unknown keyword is refused with 400',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['400'],
    difference: "A client's mistake in includefield is not noticed.",
    path: (uid) => `studies?StudyInstanceUID=${uid}&includefield=NoSuchKeyword`,
  },
  {
    id: 'path.series',
    reliedOn: 'Series of a study are searched below it',
    certainty: 'documented',
    sources: ['CS', 'HT'],
    expected: ['200, 2 rows'],
    difference: 'Viewers and Orthanc cannot list the series of a study.',
    path: (uid) => `studies/${uid}/series`,
  },
  {
    id: 'path.study-instances',
    reliedOn: 'Instances of a study are searched below it',
    certainty: 'documented',
    sources: ['CS', 'HT'],
    expected: ['200, 3 rows'],
    difference: 'Viewers and Orthanc cannot list the instances of a study.',
    path: (uid) => `studies/${uid}/instances`,
  },
  {
    id: 'path.series-instances',
    reliedOn: 'Instances of a series are searched below it',
    certainty: 'documented',
    sources: ['CS', 'HT'],
    expected: ['200, 2 rows'],
    difference: 'Viewers and Orthanc cannot list the instances of a series.',
    path: (uid) => `studies/${uid}/series/${uid}.1/instances`,
  },
  {
    id: 'path.series-instances-alone',
    reliedOn: 'Instances of a series are also searched below series/SERIES, without the study',
    certainty: 'documented',
    sources: ['HT', 'REF'],
    expected: ['200, 2 rows'],
    difference: 'The proxy offers a path that Google does not have.',
    path: (uid) => `series/${uid}.1/instances`,
  },
]

interface Type {
  readonly name: string
  readonly accept?: string
  readonly expected: readonly string[]
  readonly certainty: Statement['certainty']
  readonly difference: string
}

const json = '200, application/dicom+json'
const notOrthanc = 'Orthanc reads nothing but DICOM JSON: its searches fail.'
const types: readonly Type[] = [
  {
    name: 'any',
    accept: '*/*',
    expected: [json],
    certainty: 'documented',
    difference: notOrthanc,
  },
  { name: 'default', expected: [json], certainty: 'documented', difference: notOrthanc },
  {
    name: 'dicom-json',
    accept: 'application/dicom+json',
    expected: [json],
    certainty: 'documented',
    difference: 'Viewers fail: they ask for this type.',
  },
  {
    name: 'json',
    accept: 'application/json',
    expected: [json, '200, application/json', '406', '400'],
    certainty: 'assumed',
    difference: 'Clients that ask for application/json get something else.',
  },
  {
    name: 'xml',
    accept: 'multipart/related; type="application/dicom+xml"',
    expected: ['200, multipart/related of application/dicom+xml', '406', '400'],
    certainty: 'assumed',
    difference: 'Clients that read XML get something else than they asked for.',
  },
  {
    name: 'image',
    accept: 'image/png',
    expected: ['406', '400'],
    certainty: 'assumed',
    difference: "The proxy's advice for a 406 does not apply.",
  },
]

/** What a search returns, in which form, and at which paths. */
export const searchRows: readonly Statement[] = [
  ...searches.map(({ path, ...statement }) => ({
    ...statement,
    observe: async ({ search, main }: TestStore) => searchOutcome(await search(path(main.uid))),
  })),
  ...attributes.map(
    ({ path, keywords, certainty = 'documented', sources = ['CS'], difference = blanks, ...statement }) => ({
      ...statement,
      certainty,
      sources,
      difference,
      observe: async (store: TestStore) => hasOutcome(await rowOf(store, path), keywords),
    }),
  ),
  ...types.map(({ name, accept, ...statement }) => ({
    ...statement,
    id: `type.search-${name}`,
    reliedOn: `A search with ${accept === undefined ? 'no Accept' : `Accept: ${accept}`} is responded to in ${statement.expected.length > 1 ? 'one of these forms' : 'DICOM JSON'}`,
    sources: statement.certainty === 'documented' ? (['CS'] as const) : [],
    observe: async ({ get, main }: TestStore) =>
      typedOutcome(await get(`studies?StudyInstanceUID=${main.uid}`, accept)),
  })),
  {
    id: 'type.search-charset',
    reliedOn: 'The type of DICOM JSON has no parameter, or charset=utf-8',
    certainty: 'recorded',
    sources: ['MI'],
    expected: ['no parameter', 'charset=utf-8'],
    difference: 'Clients that compare the type as a text fail.',
    observe: async ({ search, main }) => {
      const { headers } = await search(`studies?StudyInstanceUID=${main.uid}`)
      const parameters = String(headers['content-type'] ?? '')
        .split(';')
        .slice(1)
      if (parameters.length === 0) return 'no parameter'
      const isUtf8 = parameters.length === 1 && parameters[0]?.trim().toLowerCase() === 'charset=utf-8'
      return isUtf8 ? 'charset=utf-8' : 'other parameters'
    },
  },
  {
    id: 'type.search-gzip',
    reliedOn: 'A search that accepts gzip may come compressed, and says so',
    certainty: 'assumed',
    sources: ['RN'],
    expected: ['gzip', 'not compressed'],
    difference: 'The proxy reads only what is not compressed, or gzip: other codings pass unseen.',
    observe: async ({ get, main }) => {
      const response = await get(`studies?StudyInstanceUID=${main.uid}`, '*/*', { 'accept-encoding': 'gzip' })
      if (found(response) !== 1) return searchOutcome(response)
      const coding = response.headers['content-encoding']
      return coding === undefined ? 'not compressed' : coding === 'gzip' ? 'gzip' : 'another coding'
    },
  },
  {
    id: 'type.search-identity',
    reliedOn: 'A search without Accept-Encoding is not compressed',
    certainty: 'assumed',
    sources: [],
    expected: ['not compressed'],
    difference: 'Orthanc cannot read compressed responses: its searches fail.',
    observe: async ({ search, main }) => {
      const { headers } = await search(`studies?StudyInstanceUID=${main.uid}`)
      return headers['content-encoding'] === undefined ? 'not compressed' : 'compressed'
    },
  },
  {
    id: 'type.search-head',
    reliedOn: 'HEAD of a search is responded to like GET without a body, or refused',
    certainty: 'assumed',
    sources: [],
    expected: ['200', '404', '405', '501', '400'],
    difference: 'The proxy passes HEAD: clients get what Google says.',
    observe: async ({ send, main }) => {
      const response = await send({
        path: `studies?StudyInstanceUID=${main.uid}`,
        method: 'HEAD',
        headers: { accept: '*/*' },
      })
      return response.rawBody.length === 0 ? `${response.status}` : `${response.status} with a body`
    },
  },
  {
    id: 'type.date',
    reliedOn: 'Responses have a Date',
    certainty: 'assumed',
    sources: [],
    expected: ['a Date'],
    difference: "check cannot compare this machine's clock with Google's.",
    observe: async ({ search, main }) => {
      const { headers } = await search(`studies?StudyInstanceUID=${main.uid}`)
      return Number.isNaN(Date.parse(headers.date ?? '')) ? 'no Date' : 'a Date'
    },
  },
]
