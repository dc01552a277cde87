import type { Emulator } from '../../emulator/emulator.ts'
import type { SyntheticInstance } from '../../emulator/synthetic-study.ts'

/** Runs a step and tells a person of it; its result is the sentence about what came of it. */
export type Step = (title: string, work: () => Promise<string>) => Promise<void>

interface RoundTripOptions {
  readonly client: DemoClient
  readonly google: Emulator
  readonly study: readonly SyntheticInstance[]
  readonly step: Step
}

/**
 * Sends, finds, fetches and deletes a study, and checks each step. Rejects with the first failure.
 */
export async function roundTrip({ client, google, study, step }: RoundTripOptions): Promise<void> {
  const studyUid = study[0]?.studyInstanceUid ?? ''
  await step('Send the study (STOW-RS)', async () => {
    const sent = await client.send(study)
    expect(sent === study.length, `only ${sent} of ${study.length} instances were accepted`)
    return `${sent} instances, ${kibibytes(study)} KiB`
  })
  await step('Revoke the access token at Google', async () => {
    google.revokeTokens()
    return 'the next request gets a 401'
  })
  await step('Search for it (QIDO-RS)', async () => {
    const before = google.tokenRequests.total
    const found = await client.search(studyUid)
    expect(found === 1, `found ${found} studies instead of 1`)
    expect(google.tokenRequests.total === before + 1, 'the proxy fetched no new token')
    return '1 study found, with a new token; the client noticed nothing'
  })
  await step('Fetch it back (WADO-RS)', async () => {
    const files = await client.fetch(study)
    const same = study.filter(({ sopInstanceUid, bytes }) => files.get(sopInstanceUid)?.equals(bytes)).length
    expect(same === study.length, `only ${same} of ${study.length} instances came back byte for byte`)
    return `${same} instances, byte for byte as sent`
  })
  await step('Delete it (DELETE)', async () => {
    await client.remove(studyUid)
    expect((await client.search(studyUid)) === 0, 'the study is still found')
    return 'a search finds nothing'
  })
}

function expect(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise)
}

function kibibytes(study: readonly SyntheticInstance[]): number {
  return Math.round(study.reduce((sum, { bytes }) => sum + bytes.length, 0) / 1024)
}

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
