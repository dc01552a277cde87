import { found, searchOutcome } from '../outcome.ts'
import type { Certainty, Statement } from '../statement.ts'
import type { TestStudy } from '../test-data.ts'
import type { TestStore } from '../test-store.ts'

export type Level = 'studies' | 'series' | 'instances'

interface Key {
  readonly name: string
  readonly value: (study: TestStudy) => string
  /** Nothing in the store has it. */
  readonly other: string
}

const studyKeys: readonly Key[] = [
  { name: 'StudyInstanceUID', value: ({ uid }) => uid, other: '2.25.1' },
  { name: 'PatientName', value: ({ patientName }) => patientName, other: 'Nobody^Synthetic' },
  { name: 'PatientID', value: ({ patientId }) => patientId, other: 'NOBODY-1' },
  { name: 'AccessionNumber', value: ({ accessionNumber }) => accessionNumber, other: 'NOTHING1' },
  { name: 'ReferringPhysicianName', value: ({ referringPhysician }) => referringPhysician, other: 'Nobody^Synthetic' },
  { name: 'StudyDate', value: ({ studyDate }) => studyDate, other: '20230101' },
]
const seriesKeys: readonly Key[] = [
  { name: 'SeriesInstanceUID', value: ({ uid }) => `${uid}.1`, other: '2.25.1' },
  { name: 'Modality', value: () => 'CT', other: 'XC' },
]
const instanceKeys: readonly Key[] = [{ name: 'SOPInstanceUID', value: ({ uid }) => `${uid}.1.1`, other: '2.25.1' }]

const searchable: readonly (readonly [Level, readonly Key[]])[] = [
  ['studies', studyKeys],
  ['series', [...studyKeys, ...seriesKeys]],
  ['instances', [...studyKeys, ...seriesKeys, ...instanceKeys]],
]

const foundAlone = 'found by its value, not by another'

function searchableBy(level: Level, key: Key): Statement {
  return {
    id: `search.${level}.${key.name}`,
    reliedOn: `Searches for ${level} match ${key.name}`,
    certainty: 'documented',
    sources: ['CS'],
    expected: [foundAlone],
    difference: `Clients can't search for ${level} by ${key.name}, or get rows that don't match: docs/clients.md and the advice for a 400 name it as searchable.`,
    observe: (store) => matchesOnly(store, level, key),
  }
}

/** Finds by the value, and does not by another one: else it would be ignored. */
async function matchesOnly({ main, search }: TestStore, level: Level, { name, value, other }: Key): Promise<string> {
  const pathFor = (wanted: string) => {
    const scope = name === 'StudyInstanceUID' ? '' : `StudyInstanceUID=${main.uid}&`
    return `${level}?${scope}${name}=${encodeURIComponent(wanted)}`
  }
  const right = await search(pathFor(value(main)))
  const count = found(right)
  if (count === null) return searchOutcome(right)
  if (count === 0) return 'not found by its value'
  const wrong = await search(pathFor(other))
  const others = found(wrong)
  if (others === null) return `another value: ${searchOutcome(wrong)}`
  return others === 0 ? foundAlone : 'ignored: another value finds it, too'
}

interface Refused {
  readonly level: Level
  readonly key: string
  readonly value: string
  readonly sources?: Statement['sources']
  readonly certainty?: Certainty
}

const refused: readonly Refused[] = [
  { level: 'studies', key: 'StudyDescription', value: 'Conformance test', sources: ['CS', 'SLIM', 'WSID'] },
  { level: 'studies', key: 'ModalitiesInStudy', value: 'CT', sources: ['CS', 'SLIM', 'IDC'] },
  { level: 'studies', key: 'StudyID', value: 'CONFORMANCE' },
  { level: 'studies', key: '00200010', value: 'CONFORMANCE' },
  { level: 'studies', key: 'StudyTime', value: '101500' },
  { level: 'studies', key: 'PatientBirthDate', value: '19700101' },
  { level: 'studies', key: 'PatientSex', value: 'O' },
  { level: 'studies', key: 'Modality', value: 'CT' },
  { level: 'studies', key: 'SOPClassesInStudy', value: '1.2.840.10008.5.1.4.1.1.2' },
  { level: 'series', key: 'SeriesDescription', value: 'Series 1' },
  { level: 'series', key: 'SeriesNumber', value: '1' },
  { level: 'series', key: 'BodyPartExamined', value: 'HEAD' },
  { level: 'instances', key: 'SOPClassUID', value: '1.2.840.10008.5.1.4.1.1.2' },
  { level: 'instances', key: 'InstanceNumber', value: '1' },
  { level: 'studies', key: 'NoSuchKeyword', value: '1' },
]

function refusedKey({ level, key, value, sources = ['CS'], certainty = 'documented' }: Refused): Statement {
  return {
    id: `refused.${level}.${key}`,
    reliedOn: `Searches for ${level} by ${key} are refused with 400`,
    certainty,
    sources,
    expected: ['400'],
    difference: `Google can do more, or silently something else, than the proxy's advice for a 400 says: rows mean that ${key} works, no rows that a client takes "unsupported" for "not found".`,
    observe: async ({ main, search }) =>
      searchOutcome(await search(`${level}?StudyInstanceUID=${main.uid}&${key}=${encodeURIComponent(value)}`)),
  }
}

/** Which attributes can be searched by, at each level, and which can't. */
export const searchKeys: readonly Statement[] = [
  ...searchable.flatMap(([level, keys]) => keys.map((key) => searchableBy(level, key))),
  {
    id: 'search.tag',
    reliedOn: 'Searches match attributes by tag as well as by keyword',
    certainty: 'assumed',
    sources: [],
    expected: [foundAlone],
    difference: "Clients that send tags, as Orthanc's web client does, find nothing.",
    observe: (store) =>
      matchesOnly(store, 'studies', { name: '00100020', value: ({ patientId }) => patientId, other: 'NOBODY-1' }),
  },
  ...refused.map(refusedKey),
]
