import { type AccessToken, checkedToken } from './access-token.ts'
import type { IssuerTransport } from './transport.ts'

const googleRoot = 'https://iamcredentials.googleapis.com/'

interface Impersonation {
  /** The target's `:generateAccessToken`. */
  readonly url: string
  readonly delegates: readonly string[]
  readonly scope: string
}

export function iamCredentialsUrlFor(principal: string, root: string | null): string {
  return `${root ?? googleRoot}v1/projects/-/serviceAccounts/${encodeURIComponent(principal)}:generateAccessToken`
}

/**
 * Trades a source's token for one of the target service account
 * (https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken).
 *
 * Not the library's `Impersonated`: that one prints a warning to the console each time it is made.
 */
export async function impersonate(
  source: AccessToken,
  { url, delegates, scope }: Impersonation,
  transport: IssuerTransport,
): Promise<AccessToken> {
  const { data } = await transport.request<{ accessToken?: unknown; expireTime?: unknown }>({
    url,
    method: 'POST',
    headers: {
      authorization: `Bearer ${source.value}`,
      // A user's token is refused without one.
      ...(source.quotaProject && { 'x-goog-user-project': source.quotaProject }),
    },
    data: { scope: [scope], lifetime: '3600s', delegates },
    responseType: 'json',
  })
  return checkedToken('IAM Credentials API', data.accessToken, Date.parse(String(data.expireTime)))
}
