import { found, searchOutcome } from '../outcome.ts'
import type { Statement } from '../statement.ts'
import type { TestStudy } from '../test-data.ts'
import { orthancAccept } from '../test-store.ts'

type Value = Pick<Statement, 'id' | 'reliedOn' | 'certainty' | 'sources' | 'expected' | 'difference'> & {
  /** What follows `StudyInstanceUID=…&`. */
  readonly query: (study: TestStudy) => string
}

const oneRow = '200, 1 row'
const nothing = '204, no body'
const encoded = encodeURIComponent

const noWildcards =
  'docs/orthanc.md and docs/clients.md say that Google has no wildcards: found rows mean that it has, and the advice is too strict.'

const values: readonly Value[] = [
  {
    id: 'value.wildcard-star',
    reliedOn: 'A wildcard (*) in PatientName matches nothing, or is refused',
    certainty: 'assumed',
    sources: ['CS', 'AD'],
    expected: ['400', nothing],
    difference: noWildcards,
    query: ({ patientName }) => `PatientName=${encoded(patientName.slice(0, 14))}*`,
  },
  {
    id: 'value.wildcard-question-mark',
    reliedOn: 'A wildcard (?) in PatientID matches nothing, or is refused',
    certainty: 'assumed',
    sources: ['CS', 'AD'],
    expected: ['400', nothing],
    difference: noWildcards,
    query: ({ patientId }) => `PatientID=${encoded(patientId.slice(0, -1))}%3F`,
  },
  {
    id: 'value.universal',
    reliedOn: 'A lone * as value matches nothing, or is refused',
    certainty: 'assumed',
    sources: ['CS'],
    expected: ['400', nothing],
    difference: noWildcards,
    query: () => 'PatientName=*',
  },
  {
    id: 'value.bare-key',
    reliedOn: 'A searchable key without a value is refused, ignored or matches nothing',
    certainty: 'assumed',
    sources: [],
    expected: ['400', nothing, oneRow],
    difference: "Orthanc Explorer 2 sends such keys for its columns: see the proxy's log for what its search gets.",
    query: () => 'PatientName',
  },
  {
    id: 'value.empty',
    reliedOn: 'A searchable key with an empty value is refused, ignored or matches nothing',
    certainty: 'assumed',
    sources: [],
    expected: ['400', nothing, oneRow],
    difference: 'Viewers send empty fields of their search forms: their searches fail in another way than described.',
    query: () => 'PatientID=',
  },
  {
    id: 'value.bare-unsupported-key',
    reliedOn: 'A key that is not searchable is refused or ignored where it has no value',
    certainty: 'assumed',
    sources: [],
    expected: ['400', oneRow],
    difference: 'Orthanc Explorer 2 sends ModalitiesInStudy in this way: its remote search shows nothing.',
    query: () => 'ModalitiesInStudy',
  },
  {
    id: 'value.uid-list-comma',
    reliedOn: 'A list of UIDs with commas matches nothing, or is refused',
    certainty: 'assumed',
    sources: ['CS', 'AD'],
    expected: ['400', nothing],
    difference: 'Found rows mean that Google takes lists: clients could send fewer requests than advised.',
    query: ({ uid }) => `SeriesInstanceUID=${uid}.1,${uid}.2`,
  },
  {
    id: 'value.uid-list-backslash',
    reliedOn: 'A list of UIDs with backslashes matches nothing, or is refused',
    certainty: 'assumed',
    sources: ['CS', 'AD'],
    expected: ['400', nothing],
    difference: 'Found rows mean that Google takes lists: clients could send fewer requests than advised.',
    query: ({ uid }) => `SeriesInstanceUID=${uid}.1%5C${uid}.2`,
  },
  {
    id: 'value.name-part',
    reliedOn: 'PatientName is matched as a whole: its family name alone finds nothing',
    certainty: 'documented',
    sources: ['CS'],
    expected: [nothing],
    difference: 'Searches by a part of the name find more than the documents say.',
    query: ({ patientName }) => `PatientName=${encoded(patientName.split('^')[0] ?? '')}`,
  },
  {
    id: 'value.name-case',
    reliedOn: 'Whether upper and lower case of PatientName differ without fuzzymatching is not known',
    certainty: 'assumed',
    sources: [],
    expected: [nothing, oneRow],
    difference: 'Clients that write names in capitals find less, or more, than expected.',
    query: ({ patientName }) => `PatientName=${encoded(patientName.toLowerCase())}`,
  },
  {
    id: 'value.id-case',
    reliedOn: 'Whether upper and lower case of PatientID differ is not known',
    certainty: 'assumed',
    sources: [],
    expected: [nothing, oneRow],
    difference: 'Clients that change the case of a patient ID find less, or other patients.',
    query: ({ patientId }) => `PatientID=${encoded(patientId.toLowerCase())}`,
  },
  {
    id: 'value.fuzzy-prefix',
    reliedOn: 'With fuzzymatching=true the beginning of a name finds it, in any case',
    certainty: 'documented',
    sources: ['CS'],
    expected: [oneRow],
    difference: 'Name searches with fuzzymatching, the only way to search by a part of a name, find nothing.',
    query: ({ patientName }) => `PatientName=${encoded(patientName.slice(0, 16).toLowerCase())}&fuzzymatching=true`,
  },
  {
    id: 'value.fuzzy-any',
    reliedOn: 'With fuzzymatching=true one matching word of several is enough',
    certainty: 'documented',
    sources: ['CS'],
    expected: [oneRow],
    difference: 'Name searches with several words find less than the documents say.',
    query: ({ patientName }) => `PatientName=${encoded(patientName.slice(0, 16))}%20Nobodyelse&fuzzymatching=true`,
  },
  {
    id: 'value.fuzzy-false',
    reliedOn: 'fuzzymatching=false leaves the match exact',
    certainty: 'documented',
    sources: ['CS'],
    expected: [oneRow],
    difference: 'Clients that always send fuzzymatching get an error or other rows.',
    query: ({ patientName }) => `PatientName=${encoded(patientName)}&fuzzymatching=false`,
  },
  {
    id: 'value.range-within',
    reliedOn: 'StudyDate takes a range, and finds what lies in it',
    certainty: 'documented',
    sources: ['CS', 'SLIM'],
    expected: [oneRow],
    difference: 'Searches by date range find nothing, or fail.',
    query: () => 'StudyDate=20240201-20240301',
  },
  {
    id: 'value.range-outside',
    reliedOn: 'A range of StudyDate does not find what lies outside of it',
    certainty: 'documented',
    sources: ['CS', 'SLIM'],
    expected: [nothing],
    difference: 'Searches by date range are ignored: clients get all studies.',
    query: () => 'StudyDate=20230201-20230301',
  },
  {
    id: 'value.range-from',
    reliedOn: 'A range of StudyDate without an end is taken',
    certainty: 'assumed',
    sources: ['CS'],
    expected: [oneRow],
    difference: 'Searches for everything since a day fail: clients must name both ends.',
    query: () => 'StudyDate=20240201-',
  },
  {
    id: 'value.range-to',
    reliedOn: 'A range of StudyDate without a beginning is taken',
    certainty: 'assumed',
    sources: ['CS'],
    expected: [oneRow],
    difference: 'Searches for everything until a day fail: clients must name both ends.',
    query: () => 'StudyDate=-20240301',
  },
  {
    id: 'value.two-keys',
    reliedOn: 'Several keys must all match',
    certainty: 'assumed',
    sources: ['CS'],
    expected: [nothing],
    difference: 'Searches with several keys find rows that match only one of them.',
    query: ({ accessionNumber }) => `PatientID=NOBODY-1&AccessionNumber=${accessionNumber}`,
  },
  {
    id: 'value.limit',
    reliedOn: 'The largest limit, 5,000 studies, is taken',
    certainty: 'documented',
    sources: ['Q', 'CS'],
    expected: [oneRow],
    difference: "Clients that ask for many rows fail: Orthanc's web client and viewers ask for up to some hundred.",
    query: () => 'limit=5000',
  },
  {
    id: 'value.limit-above',
    reliedOn: 'A larger limit is refused, or treated as the largest',
    certainty: 'assumed',
    sources: ['Q'],
    expected: ['400', oneRow],
    difference: 'Clients that ask for more rows than Google allows get something else than described.',
    query: () => 'limit=5001',
  },
  {
    id: 'value.limit-zero',
    reliedOn: 'limit=0 is refused, gives no rows, or is ignored',
    certainty: 'assumed',
    sources: [],
    expected: ['400', nothing, oneRow],
    difference: 'None for Orthanc, which does not send it.',
    query: () => 'limit=0',
  },
  {
    id: 'value.limit-invalid',
    reliedOn: 'A limit that is not a number is refused with 400',
    certainty: 'assumed',
    sources: [],
    expected: ['400'],
    difference: "A client's mistake in a limit is not noticed.",
    query: () => 'limit=many',
  },
  {
    id: 'value.offset-last',
    reliedOn: 'The largest offset, 1,000,000, is taken; past the last row it is 204 without a body',
    certainty: 'documented',
    sources: ['Q', 'PYT'],
    expected: [nothing],
    difference: 'Clients that page through results do not see the end as described.',
    query: () => 'offset=1000000',
  },
  {
    id: 'value.offset-above',
    reliedOn: 'A larger offset is refused, or finds nothing',
    certainty: 'assumed',
    sources: ['Q'],
    expected: ['400', nothing],
    difference: 'Clients that page past a million rows get something else than described.',
    query: () => 'offset=1000001',
  },
  {
    id: 'value.past-end',
    reliedOn: 'Past the last row a search is 204 without a body',
    certainty: 'recorded',
    sources: ['CLI57', 'EZ'],
    expected: [nothing],
    difference: 'Clients that page through results see an error or other rows at the end.',
    query: () => 'limit=10&offset=10',
  },
]

/** What values a search takes, and how they match. */
export const searchValues: readonly Statement[] = [
  ...values.map(({ query, ...statement }) => ({
    ...statement,
    observe: async ({ main, search }: Parameters<Statement['observe']>[0]) => {
      // At the level where the key exists.
      const asked = query(main)
      const level = asked.startsWith('SeriesInstanceUID') ? 'series' : 'studies'
      return searchOutcome(await search(`${level}?StudyInstanceUID=${main.uid}&${asked}`))
    },
  })),
  {
    id: 'value.page',
    reliedOn: 'limit and offset cut the rows into pages',
    certainty: 'documented',
    sources: ['CS'],
    expected: ['2 of 3 rows, then 1'],
    difference: 'Clients that page through results get rows twice, or not at all.',
    observe: async ({ main, search }) => {
      const pages = [
        await search(`studies/${main.uid}/instances?limit=2`),
        await search(`studies/${main.uid}/instances?limit=2&offset=2`),
      ]
      const [first, second] = pages.map(found)
      return first === 2 && second === 1 ? '2 of 3 rows, then 1' : `${first ?? 'none'}, then ${second ?? 'none'}`
    },
  },
  {
    id: 'value.instances-limit',
    reliedOn: 'The largest limit for instances, 50,000, is taken',
    certainty: 'documented',
    sources: ['Q', 'CS'],
    expected: ['200, 3 rows'],
    difference: 'Clients that ask for all instances of a large study fail.',
    observe: async ({ main, search }) =>
      searchOutcome(await search(`instances?StudyInstanceUID=${main.uid}&limit=50000`)),
  },
  {
    id: 'value.instances-limit-above',
    reliedOn: 'A larger limit for instances is refused, or treated as the largest',
    certainty: 'assumed',
    sources: ['Q'],
    expected: ['400', '200, 3 rows'],
    difference: 'Clients that ask for more rows than Google allows get something else than described.',
    observe: async ({ main, search }) =>
      searchOutcome(await search(`instances?StudyInstanceUID=${main.uid}&limit=50001`)),
  },
  {
    id: 'value.wado-accept',
    reliedOn: 'A search that accepts only instances is refused with 406 or 400',
    certainty: 'assumed',
    sources: [],
    expected: ['406', '400'],
    difference: "The proxy's advice for a 406 does not apply to searches.",
    observe: async ({ main, get }) => searchOutcome(await get(`studies?StudyInstanceUID=${main.uid}`, orthancAccept)),
  },
]
