import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { startServed } from '../helpers/served.ts'

// Google searches few attributes, each by one exact value. To any other search it responds with
// 400, and the log said: check its query, Accept and Content-Type.

const canSearch = (level: string, more = '') =>
  `Search ${level} by exact values of StudyInstanceUID, PatientName, PatientID, AccessionNumber, ReferringPhysicianName${more} or `
const ofStudies = canSearch('studies')
const ofSeries = canSearch('series', ', StudyDate, SeriesInstanceUID')
const ofInstances = canSearch('instances', ', StudyDate, SeriesInstanceUID, Modality')

/**
 * What the log says of the query, and what can be searched there; null: of the query itself,
 * nothing.
 */
const searches: [path: string, problems: string | null, remedy: string][] = [
  ['studies?StudyDescription=Thorax', "StudyDescription can't be searched for studies", ofStudies],
  ['studies?00081030=Thorax', "StudyDescription can't be searched for studies", ofStudies],
  [
    'studies?ModalitiesInStudy=CT&StudyID=1',
    "ModalitiesInStudy can't be searched for studies; StudyID can't be searched for studies",
    ofStudies,
  ],
  ['studies?Modality=CT', "Modality can't be searched for studies", ofStudies],
  ['studies/1.2/series?SOPInstanceUID=1.2', "SOPInstanceUID can't be searched for series", ofSeries],
  ['studies?PatientBirthDate=19700101-19801231', "PatientBirthDate can't be searched for studies", ofStudies],
  ['studies?PatientName=Doe*', 'PatientName has a wildcard (* or ?)', ofStudies],
  ['studies?PatientName=Do%3f', 'PatientName has a wildcard (* or ?)', ofStudies],
  ['series?00100010=%2aDoe', 'PatientName has a wildcard (* or ?)', ofSeries],
  ['studies?StudyInstanceUID=1.2,1.3', 'StudyInstanceUID has a list of values', ofStudies],
  ['series?Modality=CT%5CMR', 'Modality has a list of values', ofSeries],
  ['studies?StudyDate=2024', 'StudyDate is neither YYYYMMDD nor a range of dates', ofStudies],
  [
    'studies?RequestAttributesSequence.RequestedProcedureID=1',
    "attributes within sequences can't be searched",
    ofStudies,
  ],
  ['studies?PatienID=Doe', 'an attribute is unknown (did you mean PatientID?)', ofStudies],
  ['studies?DoeJohn=1', 'an attribute is unknown', ofStudies],
  [
    'series?includefield=SeriesNumer',
    "includefield names an attribute that searches for series don't return (did you mean SeriesNumber?)",
    ofSeries,
  ],
  ['studies?emptyvaluematching=true', 'it has no emptyvaluematching', ofStudies],
  ['studies?limit=6000', 'limit can be 5000 at most', ofStudies],
  ['instances?limit=50000&offset=1000001', 'offset can be 1000000 at most', ofInstances],
  [
    'studies?StudyID=1&StudyTime=1&PatientSex=F&PatientAge=1&Rows=1',
    "StudyID can't be searched for studies; StudyTime can't be searched for studies; PatientSex can't be searched for studies; and so on",
    ofStudies,
  ],
  // As Orthanc Explorer 2 filters.
  [
    'studies?AccessionNumber&ModalitiesInStudy&NumberOfStudyRelatedInstances&PatientName=*abc*&fuzzymatching=true&limit=100',
    'PatientName has a wildcard (* or ?)',
    ofStudies,
  ],
  ['studies', null, ofStudies],
  [
    'studies?PatientName=Doe%5EJohn,+Jr.&StudyDate=20240101-&00100020=a-b&fuzzymatching=true&limit=5000&offset=0&includefield=all&includefield=00081030&AccessionNumber=&charset=utf-8',
    null,
    ofStudies,
  ],
  ['studies/1.2/series/1.2/instances?Modality=CT&SOPInstanceUID=1.2&includefield=ImageType', null, ofInstances],
]

t.test('a search that Google refuses is explained by its query', async (t) => {
  const { url, log, emulator } = await startServed(t)
  const body = {
    error: { code: 400, message: 'unknown/unsupported search parameter: Doe', status: 'INVALID_ARGUMENT' },
  }
  emulator.faults.add({ target: 'QIDO-RS', status: 400, body })
  const lines = () => log().filter(({ msg }) => msg === 'request')
  for (const [at, [path, problems, remedy]] of searches.entries()) {
    const response = await fetch(url + path)
    t.same([response.status, await response.json()], [400, body], 'the response is Google’s')
    await eventually('it is in the log', () => lines().length > at)
    const { detail, layer, attempts } = lines().at(-1) ?? {}
    t.match({ layer, attempts }, { layer: 'upstream', attempts: 1 }, 'Google was asked')
    const start = problems
      ? `Google does not support this search (400): ${problems}. ${remedy}`
      : `Google does not understand the request (400). Check its query and Accept. ${remedy}`
    t.ok(String(detail).startsWith(start), `${path}: ${detail}`)
  }
  t.notMatch(JSON.stringify(log()), /Doe|Thorax/)
})

t.test('of thousands of names, the first are enough', async (t) => {
  const { url, log, emulator } = await startServed(t)
  emulator.faults.add({ target: 'QIDO-RS', status: 400 })
  const many = Array.from({ length: 1_400 }, (_, at) => `PatientNam${'abdfghij'.charAt(at % 8)}`)
  await fetch(`${url}studies?${many.map((name) => `${name}=1`).join('&')}`.slice(0, 15_000))
  await fetch(`${url}studies?includefield=${many.join(',')}`.slice(0, 15_000))
  await eventually('both are in the log', () => log().filter(({ msg }) => msg === 'request').length === 2)
  t.match(log().at(-1), { detail: /did you mean PatientName/ })
})
