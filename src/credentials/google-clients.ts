import {
  AwsClient,
  type AwsClientOptions,
  IdentityPoolClient,
  type IdentityPoolClientOptions,
  JWT,
  UserRefreshClient,
} from 'google-auth-library'
import { type AccessToken, TokenFailure } from './access-token.ts'
import type { AuthorizedUser } from './credential-file.ts'
import type { Json } from './credential-json.ts'
import type { IssuerTransport } from './transport.ts'

/**
 * One function per kind of credential that google-auth-library knows. Each makes a new client per token: a client keeps
 * its token and would hand it out again, and its own ideas of when to refresh (5 minutes early, blocking) are not ours.
 */

export async function fetchServiceAccountToken(
  account: { email: string; key: string },
  scope: string,
  transporter: IssuerTransport,
): Promise<AccessToken> {
  const client = new JWT({ ...account, scopes: [scope], transporter, useAuthRequestParameters: false })
  return accessTokenOf(await client.authorize())
}

/** The scopes are those that the user agreed to when the refresh token was made; none can be asked for here. */
export async function fetchAuthorizedUserToken(
  { clientId, clientSecret, refreshToken }: AuthorizedUser,
  transporter: IssuerTransport,
): Promise<AccessToken> {
  const user = { clientId, clientSecret, refreshToken }
  const client = new UserRefreshClient({ ...user, transporter, useAuthRequestParameters: false })
  await client.getAccessToken()
  return accessTokenOf(client.credentials)
}

/** Workload identity federation. The file must have been checked: the library sends requests wherever it says. */
export async function fetchExternalAccountToken(
  json: Json,
  scope: string,
  transporter: IssuerTransport,
): Promise<AccessToken> {
  const options = { ...json, scopes: [scope], transporter, useAuthRequestParameters: false } as unknown
  const isAws = Object.hasOwn(json.credential_source as object, 'environment_id')
  const client = isAws
    ? new AwsClient(options as AwsClientOptions)
    : new IdentityPoolClient(options as IdentityPoolClientOptions)
  useForTokenExchange(client, transporter)
  await client.getAccessToken()
  return accessTokenOf(client.credentials)
}

/**
 * The library makes the exchange with Google's Security Token Service over a transport of its own, which knows neither
 * the configured outgoing proxy nor the authorities; there is no option for it.
 */
function useForTokenExchange(client: AwsClient | IdentityPoolClient, transporter: IssuerTransport): void {
  const { stsCredential } = client as unknown as { stsCredential?: { transporter?: unknown } }
  if (!stsCredential?.transporter)
    throw new Error('google-auth-library has changed: its token exchange has no transporter')
  stsCredential.transporter = transporter
}

function accessTokenOf(credentials: { access_token?: string | null; expiry_date?: number | null }): AccessToken {
  const { access_token: value, expiry_date: expiresAt } = credentials
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
    throw new TokenFailure(
      'The token endpoint answered with something that is not an access token: is it the right URL?',
    )
  }
  // RFC 6749 5.1 lets an issuer keep the expiry to itself; Google never does.
  if (!Number.isFinite(expiresAt)) throw new TokenFailure('The token endpoint did not say when its token expires.')
  return { value, expiresAt: Number(expiresAt) }
}
