import { type Tag, tagOf } from '../dicom/dictionary.ts'

export type Level = 'studies' | 'series' | 'instances'

export const levels: readonly Level[] = ['studies', 'series', 'instances']

/**
 * What each level adds to the attributes that can be searched (conformance statement, "Search
 * parameters").
 */
const added: Readonly<Record<Level, ReadonlySet<Tag>>> = {
  studies: tags('StudyInstanceUID PatientName PatientID AccessionNumber ReferringPhysicianName StudyDate'),
  series: tags('SeriesInstanceUID Modality'),
  instances: tags('SOPInstanceUID'),
}

export function isSearchable(tag: Tag, level: Level): boolean {
  return levels.slice(0, levels.indexOf(level) + 1).some((each) => added[each].has(tag))
}

/** What each level returns unasked (conformance statement, "Returned results"). */
export const returned: Readonly<Record<Level, ReadonlySet<Tag>>> = {
  studies: tags(`SpecificCharacterSet StudyDate StudyTime AccessionNumber InstanceAvailability ReferringPhysicianName
    TimezoneOffsetFromUTC PatientName PatientID PatientBirthDate PatientSex StudyInstanceUID StudyID`),
  series: tags(`SpecificCharacterSet Modality TimezoneOffsetFromUTC SeriesDescription SeriesInstanceUID
    PerformedProcedureStepStartDate PerformedProcedureStepStartTime RequestAttributesSequence`),
  instances: tags(`SpecificCharacterSet SOPClassUID SOPInstanceUID InstanceAvailability TimezoneOffsetFromUTC
    InstanceNumber Rows Columns BitsAllocated NumberOfFrames`),
}

/** What `includefield` can add to that; at the level of instances, all that an instance has. */
const available = {
  studies: tags(`PersonIdentificationCodeSequence PersonAddress PersonTelephoneNumbers PersonTelecomInformation
    InstitutionName InstitutionAddress InstitutionCodeSequence ReferringPhysicianIdentificationSequence
    ConsultingPhysicianName ConsultingPhysicianIdentificationSequence IssuerOfAccessionNumberSequence
    LocalNamespaceEntityID UniversalEntityID UniversalEntityIDType StudyDescription PhysiciansOfRecord
    PhysiciansOfRecordIdentificationSequence NameOfPhysiciansReadingStudy
    PhysiciansReadingStudyIdentificationSequence RequestingServiceCodeSequence ReferencedStudySequence
    ProcedureCodeSequence ReasonForPerformedProcedureCodeSequence`),
  series: tags('SeriesNumber Laterality SeriesDate SeriesTime'),
}

/**
 * Attributes that a search computes and no instance has (PS3.4, C.3.4): Google computes none of
 * them.
 */
const computed = tags(`AvailableTransferSyntaxUID ModalitiesInStudy SOPClassesInStudy RetrieveURL
  NumberOfPatientRelatedStudies NumberOfPatientRelatedSeries NumberOfPatientRelatedInstances
  NumberOfStudyRelatedSeries NumberOfStudyRelatedInstances NumberOfSeriesRelatedInstances`)

export function isAvailable(tag: Tag, level: Level): boolean {
  if (returned[level].has(tag)) return true
  return level === 'instances' ? !computed.has(tag) : available[level].has(tag)
}

function tags(keywords: string): ReadonlySet<Tag> {
  return new Set(keywords.split(/\s+/).map(known))
}

function known(keyword: string): Tag {
  const tag = tagOf(keyword)
  if (tag === undefined) throw new Error(`The dictionary lacks ${keyword}.`)
  return tag
}
