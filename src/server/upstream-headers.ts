import type { AccessToken } from '../credentials/access-token.ts'
import type { ServedAccount } from './account.ts'

/** Headers that every request to Google carries, whoever asked for it. The token is put on last, by who sends. */
export function upstreamHeaders(userAgent: string, account: ServedAccount, token: AccessToken): Record<string, string> {
  const quotaProject = account.quotaProject ?? token.quotaProject
  // Who pays: https://cloud.google.com/apis/docs/system-parameters
  return quotaProject ? { 'user-agent': userAgent, 'x-goog-user-project': quotaProject } : { 'user-agent': userAgent }
}
