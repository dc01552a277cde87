import { randomBytes } from 'node:crypto'
import { NotTried } from '../not-tried.ts'
import { found, searchOutcome } from '../outcome.ts'
import type { Statement } from '../statement.ts'
import { dicomJson, orthancAccept, type TestStore } from '../test-store.ts'
import { withArticle } from '../wording.ts'

const names: Readonly<Record<string, string>> = {
  retrieve: 'Retrieving',
  metadata: 'Reading the metadata of',
  delete: 'Deleting',
}

const refusals = ['404', '403']
const levels = [
  ['study', ({ absent }: TestStore['data']) => `studies/${absent.study}`],
  ['series', ({ absent }: TestStore['data']) => `studies/${absent.study}/series/${absent.series}`],
  [
    'instance',
    ({ absent }: TestStore['data']) => `studies/${absent.study}/series/${absent.series}/instances/${absent.instance}`,
  ],
] as const

function missing(what: string, level: string, observe: Statement['observe']): Statement {
  return {
    id: `missing.${level}-${what}`,
    reliedOn: `${names[what]} ${withArticle(level)} that is not stored is refused with 404, or with 403 as if it were forbidden`,
    certainty: 'assumed',
    sources: ['CS', 'MI'],
    expected: what === 'delete' ? [...refusals, '200', '204'] : refusals,
    difference:
      'Clients do not learn that it is missing, or the proxy explains the response wrongly: docs/errors.md speaks of 404 and 403.',
    observe,
  }
}

/** What is not there: studies, series, instances, and stores. */
export const missingThings: readonly Statement[] = [
  ...levels.flatMap(([level, path]) => [
    missing('retrieve', level, async ({ get, data }) => `${(await get(path(data), orthancAccept)).status}`),
    missing('metadata', level, async ({ get, data }) => `${(await get(`${path(data)}/metadata`, dicomJson)).status}`),
    missing('delete', level, async ({ remove, data }) => {
      const { status } = await remove(path(data))
      if (status === 403) throw new NotTried('403: the identity may be forbidden to delete anything (delete.instance)')
      return `${status}`
    }),
  ]),
  {
    id: 'missing.instance-of-study',
    reliedOn: 'An instance that a stored series does not have is refused in the same way',
    certainty: 'assumed',
    sources: ['CS', 'MI'],
    expected: refusals,
    difference: 'Clients do not learn that it is missing, or the proxy explains the response wrongly.',
    observe: async ({ get, main, data }) =>
      `${(await get(`studies/${main.uid}/series/${main.uid}.1/instances/${data.absent.instance}`, orthancAccept)).status}`,
  },
  ...(['dicomStore', 'dataset'] as const).map(
    (level): Statement => ({
      id: `missing.${level === 'dataset' ? 'dataset' : 'store'}`,
      reliedOn: `A search in a ${level === 'dataset' ? 'dataset' : 'store'} that does not exist is refused with 403 or 404`,
      certainty: 'recorded',
      sources: ['CS', 'PYT'],
      expected: ['403', '404'],
      difference: 'check and the log give wrong advice for a name with a typing error in it.',
      observe: async ({ client, sendTo }) => {
        const name = `conformance-${randomBytes(6).toString('hex')}`
        const response = await sendTo(`${client.elsewhere({ [level]: name })}studies?limit=1`)
        return searchOutcome(response)
      },
    }),
  ),
  {
    id: 'missing.path',
    reliedOn: 'A path that is no DICOMweb resource is refused',
    certainty: 'assumed',
    sources: [],
    expected: ['404', '400', '405', '501'],
    difference: 'The proxy never sends such a path.',
    observe: async ({ get }) => {
      const response = await get('no-such-resource')
      return found(response) === null ? `${response.status}` : searchOutcome(response)
    },
  },
]
