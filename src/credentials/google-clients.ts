import { ExternalAccountAuthorizedUserClient, JWT, UserRefreshClient } from 'google-auth-library'
import { type AccessToken, checkedToken } from './access-token.ts'
import type { AuthorizedUser, WorkforceUser } from './credential-file.ts'
import type { IssuerTransport } from './transport.ts'

/**
 * The grants of service accounts and users, by google-auth-library; external accounts,
 * impersonation and the metadata server have their own files. Each call makes a new client: a
 * client keeps its token, would hand it out again, and refreshes at other times than ours (5
 * minutes early, blocking).
 */

export async function fetchServiceAccountToken(
  account: { email: string; key: string },
  scope: string,
  transporter: IssuerTransport,
): Promise<AccessToken> {
  const client = new JWT({ ...account, scopes: [scope], transporter, useAuthRequestParameters: false })
  return tokenOf(await client.authorize())
}

/**
 * The scopes are those that the user agreed to when the refresh token was made; none can be asked
 * for here.
 */
export async function fetchAuthorizedUserToken(
  { clientId, clientSecret, refreshToken }: AuthorizedUser,
  transporter: IssuerTransport,
): Promise<AccessToken> {
  const user = { clientId, clientSecret, refreshToken }
  const client = new UserRefreshClient({ ...user, transporter, useAuthRequestParameters: false })
  return tokenOf((await client.refreshAccessToken()).credentials)
}

/**
 * The same for a user of a workforce pool. Google may send another refresh token with it: that in
 * the file stays valid, or the file would serve each of Google's own tools once.
 */
export async function fetchWorkforceUserToken(
  { clientId, clientSecret, refreshToken, audience, tokenUrl }: WorkforceUser,
  transporter: IssuerTransport,
): Promise<AccessToken> {
  const client = new ExternalAccountAuthorizedUserClient({
    type: 'external_account_authorized_user',
    audience,
    client_id: clientId,
    client_secret: clientSecret,
    refresh_token: refreshToken,
    ...(tokenUrl && { token_url: tokenUrl }),
    // Never asked.
    token_info_url: '',
    transporter,
    useAuthRequestParameters: false,
  })
  const { token, res } = await client.getAccessToken()
  const { expires_in } = (res?.data ?? {}) as { expires_in?: unknown }
  return tokenOf({ access_token: token ?? null, expiry_date: Date.now() + Number(expires_in ?? Number.NaN) * 1000 })
}

/** What the library made of a token endpoint's response. */
export function tokenOf(credentials: { access_token?: string | null; expiry_date?: number | null }): AccessToken {
  return checkedToken('token endpoint', credentials.access_token, credentials.expiry_date ?? Number.NaN)
}
