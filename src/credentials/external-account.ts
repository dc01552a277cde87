import { AwsClient, IdentityPoolClient } from 'google-auth-library'
import { type AccessToken, TokenFailure } from './access-token.ts'
import type { Json } from './credential-json.ts'
import { tokenOf } from './google-clients.ts'
import { diagnoseSubjectToken, readSubjectToken } from './subject-token.ts'
import type { IssuerTransport } from './transport.ts'

/**
 * What the library gets to see of a file. It reads every member in camel case as well (`tokenUrl`),
 * and takes universe and token suppliers from it: what was not checked must not reach it.
 */
const members = [
  'type',
  'audience',
  'subject_token_type',
  'token_url',
  'service_account_impersonation_url',
  'service_account_impersonation',
  'client_id',
  'client_secret',
  'workforce_pool_user_project',
]
const sourceMembers = [
  'file',
  'url',
  'headers',
  'format',
  'environment_id',
  'region_url',
  'regional_cred_verification_url',
  'imdsv2_session_token_url',
]

type Client = AwsClient | IdentityPoolClient

/**
 * Workload identity federation. The file must have been checked: the library sends requests
 * wherever it says.
 */
export async function fetchExternalAccountToken(
  json: Json,
  scope: string,
  { transport: transporter, timeout }: { transport: IssuerTransport; timeout: number },
): Promise<AccessToken> {
  const source = only(sourceMembers, json.credential_source as Json)
  const client = newClient({ ...only(members, json), credential_source: source, scopes: [scope] }, transporter)
  useForTokenExchange(client, transporter)
  retrieveSubjectToken(client, source, timeout)
  await client.getAccessToken()
  return tokenOf(client.credentials)
}

function only(names: readonly string[], json: Json): Json {
  return Object.fromEntries(Object.entries(json).filter(([name]) => names.includes(name)))
}

function newClient(options: { credential_source: Json } & Json, transporter: IssuerTransport): Client {
  const Client = 'environment_id' in options.credential_source ? AwsClient : IdentityPoolClient
  try {
    return new Client({ ...options, transporter, useAuthRequestParameters: false } as never)
  } catch (cause) {
    const problem = `The external-account file cannot be used (${(cause as Error).message}).`
    const remedy = 'Make a new one: gcloud iam workload-identity-pools create-cred-config'
    throw new TokenFailure({ code: 'file-flawed', problem, remedy }, { cause })
  }
}

/**
 * The library makes the exchange with Google's Security Token Service over a transport of its own,
 * which knows neither the configured outgoing proxy nor the authorities; there is no option for it.
 */
function useForTokenExchange(client: Client, transporter: IssuerTransport): void {
  const { stsCredential } = client as unknown as { stsCredential?: { transporter?: unknown } }
  if (!stsCredential?.transporter)
    throw new Error('google-auth-library has changed: its token exchange has no transporter')
  stsCredential.transporter = transporter
}

/**
 * The first step asks somebody else than Google: its failures are told apart here, and by our own
 * words. The library would read any kind of file, and wait for it for ever.
 */
function retrieveSubjectToken(client: Client, source: Json, timeout: number): void {
  const { file } = source
  const retrieve =
    typeof file === 'string' ? () => readSubjectToken(file, source, timeout) : client.retrieveSubjectToken.bind(client)
  client.retrieveSubjectToken = async () => {
    try {
      return await retrieve()
    } catch (cause) {
      throw new TokenFailure(diagnoseSubjectToken(cause, source), { cause })
    }
  }
}
