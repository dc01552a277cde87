import type { SyntheticInstance } from '../../emulator/synthetic-study.ts'

/**
 * Whoever uses the proxy in the demo: a real Orthanc, or plain DICOMweb requests where there is
 * none.
 */
export interface DemoClient {
  readonly name: string
  /** STOW-RS. Resolves with the number of instances that were accepted. */
  send(study: readonly SyntheticInstance[]): Promise<number>
  /** QIDO-RS. Resolves with the number of studies of that UID. */
  search(studyUid: string): Promise<number>
  /** WADO-RS. Resolves with the files that came back, by SOP instance UID. */
  fetch(study: readonly SyntheticInstance[]): Promise<ReadonlyMap<string, Buffer>>
  /** DELETE. */
  remove(studyUid: string): Promise<void>
  /** Where a person can try things by hand. */
  readonly hints: readonly string[]
  close(): Promise<void>
}
