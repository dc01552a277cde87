import { searchOutcome } from '../outcome.ts'
import type { Statement } from '../statement.ts'
import type { TestStudy } from '../test-data.ts'

interface Spelling {
  readonly name: string
  readonly reliedOn: string
  readonly query: (study: TestStudy) => string
  readonly expected?: readonly string[]
}

const oneRow = ['200, 1 row']
const encoded = encodeURIComponent

const spellings: readonly Spelling[] = [
  {
    name: 'encoded',
    reliedOn: 'Colon, slash and comma in a value are taken percent-encoded',
    query: ({ patientId }) => `PatientID=${encoded(patientId)}`,
  },
  {
    name: 'raw',
    reliedOn: 'Colon, slash and comma in a value are taken as they are',
    query: ({ patientId }) => `PatientID=${patientId}`,
  },
  {
    name: 'utf-8',
    reliedOn: 'Letters outside of ASCII are taken as percent-encoded UTF-8',
    query: ({ patientName }) => `PatientName=${encoded(patientName)}`,
  },
  {
    name: 'plus',
    reliedOn: 'A plus in a query means a space',
    query: ({ patientName }) => `PatientName=${encoded(patientName).replaceAll('%20', '+')}`,
  },
  {
    name: 'caret',
    reliedOn: 'A caret in a name is taken as it is',
    query: ({ patientName }) => `PatientName=${encoded(patientName).replaceAll('%5E', '^')}`,
  },
  {
    name: 'lower-case',
    reliedOn: 'Percent-encoding in lower case means the same',
    query: ({ patientId }) => `PatientID=${encoded(patientId).replaceAll('%3A', '%3a').replaceAll('%2F', '%2f')}`,
  },
]

/**
 * How values are spelled in a query: the proxy encodes them, Orthanc and browsers do as they like.
 */
export const querySpelling: readonly Statement[] = spellings.map(({ name, reliedOn, query, expected = oneRow }) => ({
  id: `spelling.${name}`,
  reliedOn,
  certainty: 'assumed',
  sources: [],
  expected,
  difference: 'Searches with such values find nothing, or fail: the proxy must spell its queries in another way.',
  observe: async ({ search, data, needs }) => {
    needs(data.spelling.uid)
    return searchOutcome(await search(`studies?StudyInstanceUID=${data.spelling.uid}&${query(data.spelling)}`))
  },
}))
