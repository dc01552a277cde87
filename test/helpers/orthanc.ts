import type { Test } from 'tap'
import { findOrthanc } from '../../src/orthanc/find-orthanc.ts'
import { type LocalOrthanc, type LocalOrthancOptions, startLocalOrthanc } from '../../src/orthanc/local-orthanc.ts'
import { MISSING_PEER } from './tap-summary.ts'

const PEER = 'Orthanc with its DICOMweb plugin'

/** Options for `t.test`: skips it where Orthanc is not installed. With CI=true nothing is skipped, so it fails there. */
export function needsOrthanc(): { skip?: string } {
  const installed = findOrthanc() !== null
  return installed || process.env.CI === 'true' ? {} : { skip: `${MISSING_PEER}${PEER}` }
}

/** A real Orthanc that ends with the test. For tests with `needsOrthanc()`. */
export async function startOrthanc(t: Test, options: LocalOrthancOptions = {}): Promise<LocalOrthanc> {
  const orthanc = await startLocalOrthanc(options)
  t.teardown(() => orthanc.close())
  return orthanc
}
