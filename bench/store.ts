import { readFileSync } from 'node:fs'

/** The one DICOM store of the bench, as Google would name it. */
export const store = { Project: 'bench', Location: 'here', Dataset: 'bench', DicomStore: 'bench' }

/** Its DICOMweb root at the upstream. */
export const dicomWebPath = '/v1/projects/bench/locations/here/datasets/bench/dicomStores/bench/dicomWeb'

/** Size of the upstream's response to a search with a limit of 1000. */
export const largeSearchBytes = 200 * 1024

/** What a contender needs to know about the upstream, in a file that it gets as its argument. */
export interface Upstream {
  readonly origin: string
  /** PEM file of the authority that signed the upstream's certificate. */
  readonly authorityFile: string
  /**
   * The token that the upstream accepts at first: contenders that fetch no tokens have it in their
   * configuration.
   */
  readonly token: string
}

export function readUpstreamFile(file: string): Upstream {
  return JSON.parse(readFileSync(file, 'utf8')) as Upstream
}
