import type { AccountSettings, Settings } from '../../config/settings.ts'
import { invocation } from '../../invocation.ts'
import { networkFailureOf } from '../../network-failure.ts'
import { dicomStoreOf } from '../../stores/dicom-store.ts'
import { CommandFailure, exitCode } from '../exit-code.ts'
import { found, searchOutcome } from './outcome.ts'
import { maxRequests, type StoreClient, type StoreResponse } from './store-client.ts'
import type { TestData } from './test-data.ts'

/** Whether others use the store: a sentence; null once the signal came. */
export async function contentOf(client: StoreClient, signal: AbortSignal): Promise<string | null> {
  let response: StoreResponse
  try {
    response = await client.send({ path: 'studies?limit=1', headers: { accept: '*/*' } }, signal)
  } catch (cause) {
    if (signal.aborted) return null
    const { problem, remedy } = networkFailureOf(cause)
    throw new CommandFailure(`The store can't be searched: ${problem}. ${remedy}`, exitCode.failure, { cause })
  }
  const count = found(response)
  if (count === 0) return 'The store is empty.'
  if (count !== null)
    return 'THE STORE HAS STUDIES ALREADY. They are neither read nor changed, but use a store for tests.'
  throw new CommandFailure(
    `The store can't be searched: Google's response is ${searchOutcome(response)}. Run "${invocation} check" to see why.`,
    exitCode.failure,
  )
}

/** What will be written, and where. */
export function announcement(
  { baseUrl }: Settings,
  account: AccountSettings,
  { root }: TestData,
  content: string,
  maxMinutes: number,
): string {
  return `This tries what the proxy relies on of Google, at the store of the account ${account.name}:
  ${dicomStoreOf(account, '').resourceName}
  at ${baseUrl}
${content}
It stores about 25 small instances in four studies of a synthetic patient, searches, retrieves and deletes them,
and removes them at the end. Their UIDs begin with
  ${root}
It usually sends about 280 requests within two minutes, and at most ${maxRequests} within ${maxMinutes} minutes. Google
charges for them as for any others.
`
}
