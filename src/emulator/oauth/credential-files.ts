import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AuthorizedUser, ServiceAccount, WorkforceUser, WorkloadIdentity } from './identities.ts'
import { subjectToken } from './sts.ts'

/**
 * The files of every kind of credential that Google's client libraries read. Paths are absolute if
 * the folder is.
 */
export interface CredentialFiles {
  readonly serviceAccountFile: string
  readonly authorizedUserFile: string
  /** Workload identity federation, the subject token in a file. */
  readonly externalAccountFile: string
  /** Workload identity federation, the subject token at a URL. */
  readonly externalAccountUrlFile: string
  /** Workload identity federation, then impersonation of `impersonatedEmail`. */
  readonly externalAccountImpersonationFile: string
  readonly impersonatedServiceAccountFile: string
  /**
   * A workforce pool's user, as `gcloud auth application-default login --login-config` leaves it.
   */
  readonly workforceUserFile: string
  readonly subjectTokenFile: string
  readonly authorizedUser: AuthorizedUser
  readonly serviceAccountEmail: string
  readonly impersonatedEmail: string
  readonly workload: { readonly audience: string; readonly principal: string }
  readonly workforcePrincipal: string
}

export interface CredentialSources {
  readonly url: string
  readonly project: string
  readonly account: ServiceAccount
  readonly impersonated: ServiceAccount
  readonly user: AuthorizedUser
  readonly workload: WorkloadIdentity
  readonly workforce: WorkforceUser
}

export async function writeCredentialFiles(folder: string, sources: CredentialSources): Promise<CredentialFiles> {
  await mkdir(folder, { recursive: true })
  const write = async (name: string, content: object | string): Promise<string> => {
    const file = join(folder, name)
    await writeFile(file, typeof content === 'string' ? content : `${JSON.stringify(content, null, 2)}\n`, {
      mode: 0o600,
    })
    return file
  }
  const { account, impersonated, user, workload, url } = sources
  const subjectTokenFile = await write('subject-token.jwt', subjectToken(workload))
  const fromFile = externalAccount(sources, { file: subjectTokenFile })
  const format = { type: 'json', subject_token_field_name: 'subject_token' }
  return {
    serviceAccountFile: await write('service-account.json', serviceAccountKey(account, sources)),
    authorizedUserFile: await write('authorized-user.json', authorizedUser(user)),
    externalAccountFile: await write('external-account.json', fromFile),
    externalAccountUrlFile: await write(
      'external-account-url.json',
      externalAccount(sources, { url: `${url}/subject-token`, format }),
    ),
    externalAccountImpersonationFile: await write('external-account-impersonation.json', {
      ...fromFile,
      service_account_impersonation_url: impersonationUrl(sources),
    }),
    impersonatedServiceAccountFile: await write('impersonated-service-account.json', {
      type: 'impersonated_service_account',
      service_account_impersonation_url: impersonationUrl(sources),
      source_credentials: authorizedUser(user),
      delegates: [],
    }),
    workforceUserFile: await write('workforce-user.json', workforceUser(sources)),
    subjectTokenFile,
    authorizedUser: user,
    serviceAccountEmail: account.email,
    impersonatedEmail: impersonated.email,
    workload: { audience: workload.audience, principal: workload.principal },
    workforcePrincipal: sources.workforce.principal,
  }
}

/** A key file as `gcloud iam service-accounts keys create` writes it. */
export function serviceAccountKey(
  { email, clientId, key }: ServiceAccount,
  { url, project }: { readonly url: string; readonly project: string },
): object {
  return {
    type: 'service_account',
    project_id: project,
    private_key_id: key.id,
    private_key: key.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    client_email: email,
    client_id: clientId,
    auth_uri: 'https://accounts.google.com/o/oauth2/auth',
    token_uri: `${url}/token`,
    universe_domain: 'googleapis.com',
  }
}

function authorizedUser({ clientId, clientSecret, refreshToken }: AuthorizedUser): object {
  return { type: 'authorized_user', client_id: clientId, client_secret: clientSecret, refresh_token: refreshToken }
}

function workforceUser({ url, workforce }: CredentialSources): object {
  return {
    type: 'external_account_authorized_user',
    audience: workforce.audience,
    client_id: workforce.clientId,
    client_secret: workforce.clientSecret,
    refresh_token: workforce.refreshToken,
    token_url: `${url}/v1/oauthtoken`,
    token_info_url: `${url}/v1/introspect`,
    universe_domain: 'googleapis.com',
  }
}

function externalAccount({ url, workload }: CredentialSources, source: object): object {
  return {
    type: 'external_account',
    audience: workload.audience,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `${url}/v1/token`,
    credential_source: source,
  }
}

function impersonationUrl({ url, impersonated }: CredentialSources): string {
  return `${url}/v1/projects/-/serviceAccounts/${impersonated.email}:generateAccessToken`
}
