import type { Test } from 'tap'
import { findOrthanc } from '../../src/orthanc/find-orthanc.ts'
import { type LocalOrthanc, type LocalOrthancOptions, startLocalOrthanc } from '../../src/orthanc/local-orthanc.ts'
import { needs } from './peer.ts'

/** Options for `t.test` of a test that needs a real Orthanc. */
export function needsOrthanc(): { skip?: string } {
  return needs(
    'Orthanc with its DICOMweb plugin (Debian: apt install orthanc orthanc-dicomweb)',
    findOrthanc() !== null,
  )
}

/** A real Orthanc that ends with the test. For tests with `needsOrthanc()`. */
export async function startOrthanc(t: Test, options: LocalOrthancOptions = {}): Promise<LocalOrthanc> {
  const orthanc = await startLocalOrthanc(options)
  t.teardown(() => orthanc.close())
  return orthanc
}
