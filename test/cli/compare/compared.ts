import { Comparison, type Failed } from '../../../src/cli/compare/comparison.ts'
import type { Difference } from '../../../src/cli/compare/difference.ts'
import { GoogleStudies } from '../../../src/cli/compare/google-studies.ts'
import { OrthancStudies } from '../../../src/cli/compare/orthanc-studies.ts'
import type { AccountSettings } from '../../../src/config/settings.ts'

const account = { project: 'p', location: 'l', dataset: 'd', dicomStore: 's' } as AccountSettings

/** What a comparison finds, of all studies. */
export async function compared(
  orthanc: ConstructorParameters<typeof OrthancStudies>[0],
  google: ConstructorParameters<typeof GoogleStudies>[0],
  bounds: ConstructorParameters<typeof GoogleStudies>[3],
) {
  const differences: Difference[] = []
  const failures: Failed[] = []
  const { signal } = new AbortController()
  const comparison = new Comparison({
    orthanc: new OrthancStudies(orthanc),
    google: new GoogleStudies(google, account, signal, bounds),
    since: null,
    findings: {
      begin() {},
      compared() {},
      lookedUp() {},
      different: async (difference) => void differences.push(difference),
      failed: async (failed) => void failures.push(failed),
    },
    signal,
  })
  return { totals: await comparison.run(), differences, failures }
}
