import { shownType } from '../media-type.ts'
import { searchOutcome } from '../outcome.ts'
import type { Statement } from '../statement.ts'

const sources = ['PYT', 'CLI44', 'CLI57', 'EZ', 'MI', 'IDC'] as const
const difference =
  'The proxy turns a 204 into 200 with [] for Orthanc. A 200 with [] works as well; any other response makes Orthanc report a search without matches as an error.'

function emptySearch(name: string, reliedOn: string, path: (absent: string) => string): Statement {
  return {
    id: `empty.${name}`,
    reliedOn,
    certainty: 'recorded',
    sources,
    expected: ['204, no body'],
    difference,
    observe: async ({ search, data }) => searchOutcome(await search(path(data.absent.study))),
  }
}

/** Searches that find nothing. They run before anything is stored. */
export const emptySearches: readonly Statement[] = [
  emptySearch(
    'studies',
    'A search for studies that finds nothing is 204 without a body',
    (study) => `studies?StudyInstanceUID=${study}`,
  ),
  emptySearch(
    'series',
    'A search for series that finds nothing is 204 without a body',
    (study) => `series?StudyInstanceUID=${study}`,
  ),
  emptySearch(
    'instances',
    'A search for instances that finds nothing is 204 without a body',
    (study) => `instances?StudyInstanceUID=${study}`,
  ),
  emptySearch(
    'below-missing-study',
    'A search below a study that is not stored is 204 without a body',
    (study) => `studies/${study}/series`,
  ),
  emptySearch(
    'below-missing-series',
    'A search below a series that is not stored is 204 without a body',
    (study) => `studies/${study}/series/${study}.1/instances`,
  ),
  {
    id: 'empty.json',
    reliedOn: 'It is 204 for a client that asks for JSON, too',
    certainty: 'recorded',
    sources: ['PYT', 'EZ'],
    expected: ['204, no body'],
    difference,
    observe: async ({ get, data }) =>
      searchOutcome(await get(`studies?StudyInstanceUID=${data.absent.study}`, 'application/dicom+json')),
  },
  {
    id: 'empty.type',
    reliedOn: 'The 204 has a Content-Type that describes no body',
    certainty: 'recorded',
    sources: ['SLIM', 'MI'],
    expected: ['text/html', 'no type', 'application/dicom+json'],
    difference: 'None for Orthanc: the proxy replaces it. Other clients see it.',
    observe: async ({ search, data }) => {
      const { headers } = await search(`studies?StudyInstanceUID=${data.absent.study}`)
      return shownType(headers['content-type'])
    },
  },
]
