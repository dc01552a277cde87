import { nearest } from '../config/suggestion.ts'
import { attributeKeywords, keywordFor } from './attributes.ts'
import type { Permit } from './guard.ts'

/** Why Google can't do a search, and what it can search. Holds no word that only the client knows. */
export interface SearchAdvice {
  /** Clauses; none where the query is one that Google documents. */
  readonly problems: readonly string[]
  readonly remedy: string
}

type Level = 'studies' | 'series' | 'instances'

/**
 * What Google documents of searches (https://cloud.google.com/healthcare-api/docs/dicom, "Search
 * transaction").
 */
const ofStudies = 'StudyInstanceUID PatientName PatientID AccessionNumber ReferringPhysicianName StudyDate'.split(' ')
const ofSeries = ['SeriesInstanceUID', 'Modality']
const searchable: Readonly<Record<Level, readonly string[]>> = {
  studies: ofStudies,
  series: [...ofStudies, ...ofSeries],
  instances: [...ofStudies, ...ofSeries, 'SOPInstanceUID'],
}
const maxLimits: Readonly<Record<Level, number>> = { studies: 5_000, series: 5_000, instances: 50_000 }
const maxOffset = 1_000_000

/** What a search returns, unasked or by `includefield`; one for instances, all that they have. */
const returned: Readonly<Record<Exclude<Level, 'instances'>, ReadonlySet<string>>> = {
  studies: new Set(
    `SpecificCharacterSet StudyDate StudyTime AccessionNumber InstanceAvailability ReferringPhysicianName
    TimezoneOffsetFromUTC PatientName PatientID PatientBirthDate PatientSex StudyInstanceUID StudyID
    PersonIdentificationCodeSequence PersonAddress PersonTelephoneNumbers PersonTelecomInformation InstitutionName
    InstitutionAddress InstitutionCodeSequence ReferringPhysicianIdentificationSequence ConsultingPhysicianName
    ConsultingPhysicianIdentificationSequence IssuerOfAccessionNumberSequence LocalNamespaceEntityID UniversalEntityID
    UniversalEntityIDType StudyDescription PhysiciansOfRecord PhysiciansOfRecordIdentificationSequence
    NameOfPhysiciansReadingStudy PhysiciansReadingStudyIdentificationSequence RequestingServiceCodeSequence
    ReferencedStudySequence ProcedureCodeSequence ReasonForPerformedProcedureCodeSequence`.split(/\s+/),
  ),
  series: new Set(
    `SpecificCharacterSet Modality TimezoneOffsetFromUTC SeriesDescription SeriesInstanceUID
    PerformedProcedureStepStartDate PerformedProcedureStepStartTime RequestAttributesSequence SeriesNumber Laterality
    SeriesDate SeriesTime`.split(/\s+/),
  ),
}
/** Attributes that no instance has (PS3.4 C.3.4): Google computes none of them. */
const computed: ReadonlySet<string> = new Set(
  `AvailableTransferSyntaxUID ModalitiesInStudy SOPClassesInStudy RetrieveURL NumberOfPatientRelatedStudies
  NumberOfPatientRelatedSeries NumberOfPatientRelatedInstances NumberOfStudyRelatedSeries
  NumberOfStudyRelatedInstances NumberOfSeriesRelatedInstances`.split(/\s+/),
)

/** Parameters that are no attributes. */
const control: ReadonlySet<string> = new Set(['accept', 'charset', 'fuzzymatching'])

/** More would hide the first. */
const maxProblems = 4
/** Of parameters and attributes in all: a request must not keep others waiting. */
const maxRead = 100
/** Each compares a name with all attributes. */
const maxSuggestions = 4

/** What Google can't do of a search; null for what is none. Told by the query alone. */
export function adviseOnSearch({
  service,
  route,
  target,
}: Pick<Permit<never>, 'service' | 'route' | 'target'>): SearchAdvice | null {
  if (service !== 'QIDO-RS') return null
  const level = route.slice(route.lastIndexOf('/') + 1) as Level
  return { problems: shortened(firstProblems(target.query, level)), remedy: remedyFor(level) }
}

/** One more at the most than are told. */
function firstProblems(query: string, level: Level): string[] {
  const problems = new Set<string>()
  const suggest = suggestions()
  for (const { name, value } of itemsIn(query)) {
    for (const problem of problemsOf(name, value, level, suggest)) problems.add(problem)
    if (problems.size > maxProblems) break
  }
  return [...problems]
}

/** Parameters; of `includefield`, each attribute by itself. */
function* itemsIn(query: string): Generator<{ name: string; value: string }> {
  let left = maxRead
  for (const pair of query.split('&').filter((pair) => pair !== '')) {
    const [, encodedName = '', encodedValue = ''] = /^([^=]*)=?(.*)$/s.exec(pair) ?? []
    const name = decodeURIComponent(encodedName)
    const value = decodeURIComponent(encodedValue.replaceAll('+', ' '))
    for (const item of name === 'includefield' ? value.split(',') : [value]) {
      if (left === 0) return
      left -= 1
      yield { name, value: item }
    }
  }
}

function problemsOf(name: string, value: string, level: Level, suggest: Suggest): string[] {
  if (control.has(name)) return []
  if (name === 'limit') return isNumber(value, maxLimits[level]) ? [] : [`limit can be ${maxLimits[level]} at most`]
  if (name === 'offset') return isNumber(value, maxOffset) ? [] : [`offset can be ${maxOffset} at most`]
  if (name === 'includefield') return problemsOfField(value, level, suggest)
  if (name === 'emptyvaluematching' || name === 'multiplevaluematching') return [`it has no ${name}`]
  if (name.includes('.')) return ["attributes within sequences can't be searched"]
  const keyword = keywordFor(name)
  if (!keyword) return [`an attribute is unknown${suggest(name)}`]
  if (!searchable[level].includes(keyword)) return [`${keyword} can't be searched for ${level}`]
  return problemsOfValue(keyword, value)
}

function problemsOfValue(keyword: string, value: string): string[] {
  if (/[*?]/.test(value)) return [`${keyword} has a wildcard (* or ?)`]
  if (keyword === 'StudyDate') return isDateRange(value) ? [] : ['StudyDate is neither YYYYMMDD nor a range of dates']
  const isList = /UID$|^Modality$/.test(keyword) ? /[,\\]/ : /\\/
  return isList.test(value) ? [`${keyword} has a list of values`] : []
}

function problemsOfField(field: string, level: Level, suggest: Suggest): string[] {
  if (field === 'all') return []
  const keyword = keywordFor(field)
  if (level === 'instances') return keyword && computed.has(keyword) ? [notReturned(keyword, level)] : []
  if (!keyword) return [`includefield names an attribute that searches for ${level} don't return${suggest(field)}`]
  return returned[level].has(keyword) ? [] : [notReturned(keyword, level)]
}

function notReturned(keyword: string, level: Level): string {
  return `includefield names ${keyword}, which searches for ${level} don't return`
}

/** What to add of a name that is unknown. */
type Suggest = (name: string) => string

function suggestions(): Suggest {
  let left = maxSuggestions
  return (name) => {
    if (left === 0 || !/^[A-Za-z]{3,64}$/.test(name)) return ''
    left -= 1
    const near = nearest(name, attributeKeywords)
    return near === undefined ? '' : ` (did you mean ${near}?)`
  }
}

function isNumber(value: string, most: number): boolean {
  return /^\d+$/.test(value) && Number(value) <= most
}

/** An empty value matches all. */
function isDateRange(value: string): boolean {
  return value === '' || /^(\d{8}|\d{8}-|-\d{8}|\d{8}-\d{8})$/.test(value)
}

function shortened(problems: readonly string[]): readonly string[] {
  return problems.length <= maxProblems ? problems : [...problems.slice(0, maxProblems - 1), 'and so on']
}

function remedyFor(level: Level): string {
  const all = searchable[level]
  const list = `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`
  return `Search ${level} by exact values of ${list}. StudyDate also takes a range such as 20240101-20241231; with fuzzymatching=true, PatientName matches by the beginnings of its words.`
}
