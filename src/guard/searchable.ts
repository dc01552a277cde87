export type SearchLevel = 'studies' | 'series' | 'instances'

/**
 * What Google documents of searches (https://cloud.google.com/healthcare-api/docs/dicom, "Search
 * transaction").
 */
const ofStudies = 'StudyInstanceUID PatientName PatientID AccessionNumber ReferringPhysicianName StudyDate'.split(' ')
const ofSeries = ['SeriesInstanceUID', 'Modality']
export const searchable: Readonly<Record<SearchLevel, readonly string[]>> = {
  studies: ofStudies,
  series: [...ofStudies, ...ofSeries],
  instances: [...ofStudies, ...ofSeries, 'SOPInstanceUID'],
}
export const maxLimits: Readonly<Record<SearchLevel, number>> = { studies: 5_000, series: 5_000, instances: 50_000 }
export const maxOffset = 1_000_000

/** What a search returns, unasked or by `includefield`; one for instances, all that they have. */
const returned: Readonly<Record<Exclude<SearchLevel, 'instances'>, ReadonlySet<string>>> = {
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

/** Whether the rows of a search may have an attribute. */
export function isReturned(keyword: string, level: SearchLevel): boolean {
  return level === 'instances' ? !computed.has(keyword) : returned[level].has(keyword)
}

/** What a search is for, which is the last word of its route. */
export function searchLevelOf(route: string): SearchLevel {
  return route.slice(route.lastIndexOf('/') + 1) as SearchLevel
}
