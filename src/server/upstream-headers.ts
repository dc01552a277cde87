import type { AccessToken } from '../credentials/access-token.ts'
import type { ServedAccount } from './account.ts'

/**
 * Headers of every request on the data path: the attempts of clients' requests to the store, and
 * the polls of a deletion's operation in the dataset. Apply them last: nothing may replace the
 * token. Only impersonation (credentials/impersonation.ts) and the command `check` send tokens by
 * themselves.
 */
export function upstreamHeaders(userAgent: string, account: ServedAccount, token: AccessToken): Record<string, string> {
  const quotaProject = account.quotaProject ?? token.quotaProject
  const authorization = `Bearer ${token.value}`
  if (!quotaProject) return { 'user-agent': userAgent, authorization }
  // The project that is billed: https://cloud.google.com/apis/docs/system-parameters
  return { 'user-agent': userAgent, 'x-goog-user-project': quotaProject, authorization }
}
