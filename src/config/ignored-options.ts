import type { Section } from './section.ts'

/** Options that the Orthanc GCP plugin read, and that don't matter to a proxy: a sentence each. */
export function ignoredOptions(orthanc: Section): readonly string[] {
  const notices: string[] = []
  const registers = orthanc.section('DicomWebProxy').has('Orthanc')
  if (orthanc.section('DicomWeb').has('Root') && !registers) {
    notices.push('DicomWeb.Root has no effect here: it says where the DICOMweb server of Orthanc itself listens.')
  }
  if (orthanc.has('HttpTimeout')) {
    notices.push(
      'HttpTimeout has no effect here: it limits the transfers from Orthanc to this proxy. The limits of the proxy itself are DicomWebProxy.Timeouts.',
    )
  }
  return notices
}
