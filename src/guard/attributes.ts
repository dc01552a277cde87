/** Attributes that searches commonly name, by keyword: an unknown one may be misspelt. */
export const attributes: Readonly<Record<string, string>> = {
  SpecificCharacterSet: '00080005',
  ImageType: '00080008',
  SOPClassUID: '00080016',
  SOPInstanceUID: '00080018',
  StudyDate: '00080020',
  SeriesDate: '00080021',
  AcquisitionDate: '00080022',
  ContentDate: '00080023',
  StudyTime: '00080030',
  SeriesTime: '00080031',
  AcquisitionTime: '00080032',
  ContentTime: '00080033',
  AccessionNumber: '00080050',
  IssuerOfAccessionNumberSequence: '00080051',
  InstanceAvailability: '00080056',
  Modality: '00080060',
  ModalitiesInStudy: '00080061',
  SOPClassesInStudy: '00080062',
  Manufacturer: '00080070',
  InstitutionName: '00080080',
  InstitutionAddress: '00080081',
  InstitutionCodeSequence: '00080082',
  ReferringPhysicianName: '00080090',
  ReferringPhysicianIdentificationSequence: '00080096',
  ConsultingPhysicianName: '0008009C',
  ConsultingPhysicianIdentificationSequence: '0008009D',
  TimezoneOffsetFromUTC: '00080201',
  StationName: '00081010',
  StudyDescription: '00081030',
  ProcedureCodeSequence: '00081032',
  SeriesDescription: '0008103E',
  InstitutionalDepartmentName: '00081040',
  PhysiciansOfRecord: '00081048',
  PhysiciansOfRecordIdentificationSequence: '00081049',
  PerformingPhysicianName: '00081050',
  NameOfPhysiciansReadingStudy: '00081060',
  PhysiciansReadingStudyIdentificationSequence: '00081062',
  OperatorsName: '00081070',
  ReferencedStudySequence: '00081110',
  RetrieveURL: '00081190',
  AvailableTransferSyntaxUID: '00083002',
  PatientName: '00100010',
  PatientID: '00100020',
  IssuerOfPatientID: '00100021',
  PatientBirthDate: '00100030',
  PatientSex: '00100040',
  OtherPatientIDs: '00101000',
  PatientAge: '00101010',
  PatientComments: '00104000',
  BodyPartExamined: '00180015',
  ProtocolName: '00181030',
  StudyInstanceUID: '0020000D',
  SeriesInstanceUID: '0020000E',
  StudyID: '00200010',
  SeriesNumber: '00200011',
  InstanceNumber: '00200013',
  Laterality: '00200060',
  NumberOfPatientRelatedStudies: '00201200',
  NumberOfPatientRelatedSeries: '00201202',
  NumberOfPatientRelatedInstances: '00201204',
  NumberOfStudyRelatedSeries: '00201206',
  NumberOfStudyRelatedInstances: '00201208',
  NumberOfSeriesRelatedInstances: '00201209',
  NumberOfFrames: '00280008',
  Rows: '00280010',
  Columns: '00280011',
  BitsAllocated: '00280100',
  RequestingPhysician: '00321032',
  RequestingServiceCodeSequence: '00321034',
  RequestedProcedureDescription: '00321060',
  LocalNamespaceEntityID: '00400031',
  UniversalEntityID: '00400032',
  UniversalEntityIDType: '00400033',
  PersonIdentificationCodeSequence: '00401101',
  PersonAddress: '00401102',
  PersonTelephoneNumbers: '00401103',
  PersonTelecomInformation: '00401104',
  ScheduledProcedureStepID: '00400009',
  PerformedProcedureStepStartDate: '00400244',
  PerformedProcedureStepStartTime: '00400245',
  RequestAttributesSequence: '00400275',
  RequestedProcedureID: '00401001',
  ReasonForPerformedProcedureCodeSequence: '00401012',
}

export const attributeKeywords: readonly string[] = Object.keys(attributes)

const keywords: ReadonlyMap<string, string> = new Map(
  Object.entries(attributes).map(([keyword, tag]) => [tag, keyword]),
)

/**
 * The keyword of an attribute that a query names by keyword or tag; undefined for one that is not
 * here.
 */
export function keywordFor(name: string): string | undefined {
  return Object.hasOwn(attributes, name) ? name : keywords.get(name.toUpperCase())
}

/** The tag of an attribute that a query names; undefined for a keyword that is not here. */
export function tagFor(name: string): string | undefined {
  if (Object.hasOwn(attributes, name)) return attributes[name]
  return /^[\dA-Fa-f]{8}$/.test(name) ? name.toUpperCase() : undefined
}
