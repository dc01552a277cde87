/** Where a statement about Google comes from: the name of a page or repository, and its URL. */
export interface Source {
  readonly name: string
  readonly url: string
}

const google = 'https://docs.cloud.google.com/healthcare-api'
const github = 'https://github.com'

/** docs/development/google.md has what each of them says. */
export const sources = {
  CS: { name: 'DICOM conformance statement', url: `${google}/docs/dicom` },
  HT: { name: 'Using the DICOMweb standard', url: `${google}/docs/how-tos/dicomweb` },
  RN: { name: 'Release notes', url: `${google}/docs/release-notes` },
  Q: { name: 'Quotas and limits', url: `${google}/quotas` },
  AC: { name: 'Access control', url: `${google}/docs/access-control` },
  REF: { name: 'REST reference', url: `${google}/docs/reference/rest` },
  PYT: {
    name: 'python-docs-samples: dicomweb_test.py',
    url: `${github}/GoogleCloudPlatform/python-docs-samples/blob/main/healthcare/api-client/v1/dicom/dicomweb_test.py`,
  },
  CLI44: {
    name: 'healthcare-api-dicomweb-cli #44',
    url: `${github}/GoogleCloudPlatform/healthcare-api-dicomweb-cli/issues/44`,
  },
  CLI57: {
    name: 'healthcare-api-dicomweb-cli #57',
    url: `${github}/GoogleCloudPlatform/healthcare-api-dicomweb-cli/issues/57`,
  },
  EZ: { name: 'EZ-WSI-DICOMweb', url: `${github}/GoogleCloudPlatform/EZ-WSI-DICOMweb` },
  MI: { name: 'medical-imaging', url: `${github}/GoogleCloudPlatform/medical-imaging` },
  FUSE: {
    name: 'healthcare-api-dicom-fuse #20',
    url: `${github}/GoogleCloudPlatform/healthcare-api-dicom-fuse/issues/20`,
  },
  AD: {
    name: 'healthcare-dicom-dicomweb-adapter',
    url: `${github}/GoogleCloudPlatform/healthcare-dicom-dicomweb-adapter`,
  },
  DC249: { name: 'dcmjs #249', url: `${github}/dcmjs-org/dcmjs/issues/249` },
  WSID: { name: 'wsidicom', url: `${github}/imi-bigpicture/wsidicom` },
  OH: { name: 'OHIF Viewers #2133', url: `${github}/OHIF/Viewers/issues/2133` },
  SLIM: { name: 'slim #51, #100', url: `${github}/ImagingDataCommons/slim/issues/51` },
  IDC: { name: 'IDC user guide: DICOMweb', url: 'https://learn.canceridc.dev/' },
  N3502: {
    name: 'nodejs-docs-samples #3502',
    url: `${github}/GoogleCloudPlatform/nodejs-docs-samples/issues/3502`,
  },
  NPM: { name: '@googleapis/healthcare', url: 'https://www.npmjs.com/package/@googleapis/healthcare' },
} as const satisfies Readonly<Record<string, Source>>
export type SourceKey = keyof typeof sources
