import type { Test } from 'tap'
import { findOrthanc } from '../../src/orthanc/find-orthanc.ts'
import { type LocalOrthanc, type LocalOrthancOptions, startLocalOrthanc } from '../../src/orthanc/local-orthanc.ts'
import { needs } from './peer.ts'
import { MISSING_PEER } from './tap-summary.ts'

const PEER = 'Orthanc with its DICOMweb plugin (Debian: apt install orthanc orthanc-dicomweb)'

/** Options for `t.test` of a test that needs a real Orthanc. */
export function needsOrthanc(): { skip?: string } {
  return needs(
    'Orthanc with its DICOMweb plugin (Debian: apt install orthanc orthanc-dicomweb)',
    findOrthanc() !== null,
  )
}

/** A real Orthanc that ends with the test. For tests with `needsOrthanc()`. */
export async function startOrthanc(
  t: Pick<Test, 'teardown'>,
  options: LocalOrthancOptions = {},
): Promise<LocalOrthanc> {
  // Only with CI=true does a test come here without one.
  if (!findOrthanc()) throw new Error(`${MISSING_PEER}${PEER}`)
  const orthanc = await startLocalOrthanc(options)
  t.teardown(() => orthanc.close())
  return orthanc
}
