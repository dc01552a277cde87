import type { AccessToken } from '../credentials/access-token.ts'
import type { ServedAccount } from './account.ts'

/**
 * Headers that every request to an account's store carries, whoever asked for it. The only place
 * that attaches the token, and to be applied last: nothing may take its place.
 */
export function upstreamHeaders(userAgent: string, account: ServedAccount, token: AccessToken): Record<string, string> {
  const quotaProject = account.quotaProject ?? token.quotaProject
  const authorization = `Bearer ${token.value}`
  if (!quotaProject) return { 'user-agent': userAgent, authorization }
  // Who pays: https://cloud.google.com/apis/docs/system-parameters
  return { 'user-agent': userAgent, 'x-goog-user-project': quotaProject, authorization }
}
