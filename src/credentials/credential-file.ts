import { createPrivateKey } from 'node:crypto'
import { readBoundedText, statBounded } from '../bounded-files.ts'
import { isMissing } from '../config/file-folders.ts'
import type { CredentialSource, NamedCredentialFile } from '../config/settings.ts'
import type { Diagnosis } from '../errors.ts'
import { TokenFailure } from './access-token.ts'
import { FileFlaw, type Json, maxCredentialBytes, object, optionalText, text, unreadable } from './credential-json.ts'
import { checkExternalAccount, checkedImpersonationUrl, checkedUserTokenUrl } from './external-account-check.ts'

/** A credential file's content, checked, with what is needed to ask for a token. */
export type CredentialFile =
  | { readonly type: 'service_account'; readonly email: string; readonly key: string; readonly quotaProject?: string }
  | ({ readonly type: 'authorized_user'; readonly quotaProject?: string } & AuthorizedUser)
  | { readonly type: 'external_account'; readonly json: Json; readonly quotaProject?: string }
  | ({ readonly type: 'external_account_authorized_user'; readonly quotaProject?: string } & WorkforceUser)
  | {
      readonly type: 'impersonated_service_account'
      readonly source: CredentialFile
      readonly impersonationUrl: string
      readonly delegates: readonly string[]
      readonly quotaProject?: string
    }

export interface AuthorizedUser {
  readonly clientId: string
  readonly clientSecret: string
  readonly refreshToken: string
}

/** A user of a workforce pool (workforce identity federation). */
export interface WorkforceUser extends AuthorizedUser {
  readonly audience: string
  /** Undefined is Google's usual one. */
  readonly tokenUrl: string | undefined
}

type CredentialType = CredentialFile['type']

export const credentialTypes: readonly CredentialType[] = [
  'service_account',
  'authorized_user',
  'external_account',
  'external_account_authorized_user',
  'impersonated_service_account',
]

interface Expected {
  /** What the configuration says that the file is. */
  readonly types: readonly CredentialType[]
  /** Hosts that the file may name besides Google's. */
  readonly allowedHosts: readonly string[]
  /** Milliseconds that reading it may take. */
  readonly timeout: number
  /** Where the configuration names the file. */
  readonly option: string
  /** Where it was looked for, too. */
  readonly otherFile?: string
}

/** Where each type of file belongs in an account, for the message about one in the wrong place. */
const optionFor: Record<CredentialType, string> = {
  service_account: 'ServiceAccountFile',
  authorized_user: 'AuthorizedUserFile',
  external_account: 'ExternalAccountFile',
  external_account_authorized_user: 'ExternalAccountFile',
  impersonated_service_account: 'ApplicationDefault with GOOGLE_APPLICATION_CREDENTIALS',
}

/**
 * Reads and checks a credential file. It is read for every token, so that a key replaced on disk is
 * used by itself.
 *
 * Rejects with a TokenFailure that names the file and what to do. Files may come from elsewhere:
 * nothing in one is followed before its type and hosts are known
 * (https://cloud.google.com/docs/authentication/external/externally-sourced-credentials).
 */
export async function readCredentialFile(file: string, expected: Expected): Promise<CredentialFile> {
  try {
    const { timeout } = expected
    const content = await readBoundedText(file, { timeout, maxBytes: maxCredentialBytes })
    return parse(parseJson(content), expected)
  } catch (error) {
    throw new TokenFailure(diagnose(error, file, expected), { cause: error })
  }
}

/** The file that the configuration names: of two places, the first that has it. */
export async function namedCredentialFile({ file, otherFile }: NamedCredentialFile, timeout: number): Promise<string> {
  if (otherFile === undefined || !(await isMissing(file, timeout))) return file
  return (await isMissing(otherFile, timeout)) ? file : otherFile
}

type ApplicationDefault = Extract<CredentialSource, { kind: 'application-default' }>

/**
 * The file of Application Default Credentials; null if there is none, and the metadata server is to
 * be asked (https://cloud.google.com/docs/authentication/application-default-credentials).
 */
export async function applicationDefaultFile(
  { file, wellKnownFile }: ApplicationDefault,
  timeout: number,
): Promise<string | null> {
  if (file !== null || wellKnownFile === null) return file
  try {
    await statBounded(wellKnownFile, timeout)
    return wellKnownFile
  } catch (error) {
    // On a drive that has gone it may well be: reading it says so.
    return (error as NodeJS.ErrnoException).code === 'ERR_FILE_TIMEOUT' ? wellKnownFile : null
  }
}

function diagnose(error: unknown, file: string, { types, option, otherFile }: Expected): Diagnosis {
  const what = 'Credential file'
  if (error instanceof FileFlaw) {
    return { code: 'file-flawed', problem: `${what} ${file} ${error.problem}.`, remedy: error.remedy }
  }
  const diagnosis = unreadable(error as NodeJS.ErrnoException, { what, file, option })
  if (diagnosis.code !== 'file-missing') return diagnosis
  const problem = otherFile === undefined ? diagnosis.problem : `${what} ${file} does not exist, nor does ${otherFile}.`
  const remedy = types.includes('service_account') ? `${diagnosis.remedy} ${newKey}` : diagnosis.remedy
  return { ...diagnosis, problem, remedy }
}

const newKey = 'To make a new key: gcloud iam service-accounts keys create FILE --iam-account=EMAIL'

function parseJson(text: string): Json {
  if (text.trim() === '') throw new FileFlaw('is empty')
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    // The parser's own message may quote the key.
    throw new FileFlaw('is not JSON')
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new FileFlaw('is not a JSON object')
  return json as Json
}

function parse(json: Json, { types, allowedHosts }: Pick<Expected, 'types' | 'allowedHosts'>): CredentialFile {
  const type = typeOf(json, types)
  if (!types.includes(type)) {
    const remedy = `Name it under ${optionFor[type]}, or use a file of type ${types.join(', ')}.`
    throw new FileFlaw(`is of type ${type}`, remedy)
  }
  checkUniverse(json)
  const quotaProject = optionalText(json, 'quota_project_id')
  if (quotaProject && !isHeaderValue(quotaProject)) throw new FileFlaw('has no usable "quota_project_id"')
  return { ...parsers[type](json, allowedHosts), ...(quotaProject && { quotaProject }) }
}

/** Whether a project's name can be sent as `x-goog-user-project`. */
export function isHeaderValue(name: string): boolean {
  return /^[\x21-\x7e]+$/.test(name)
}

const parsers: Record<CredentialType, (json: Json, allowedHosts: readonly string[]) => CredentialFile> = {
  service_account: (json) => ({ type: 'service_account', email: text(json, 'client_email'), key: privateKey(json) }),
  authorized_user: (json) => ({ type: 'authorized_user', ...authorizedUser(json) }),
  external_account: (json, allowedHosts) => {
    checkExternalAccount(json, allowedHosts)
    return { type: 'external_account', json }
  },
  external_account_authorized_user: (json, allowedHosts) => ({
    type: 'external_account_authorized_user',
    ...authorizedUser(json),
    audience: text(json, 'audience'),
    tokenUrl: checkedUserTokenUrl(json, allowedHosts),
  }),
  impersonated_service_account: (json, allowedHosts) => ({
    type: 'impersonated_service_account',
    source: parseSource(object(json, 'source_credentials'), allowedHosts),
    impersonationUrl: checkedImpersonationUrl(json, allowedHosts),
    delegates: Array.isArray(json.delegates) ? json.delegates.filter((name) => typeof name === 'string') : [],
  }),
}

/** Of an impersonation; another one is none. */
function parseSource(json: Json, allowedHosts: readonly string[]): CredentialFile {
  if (json.type !== 'impersonated_service_account') return parse(json, { types: credentialTypes, allowedHosts })
  throw new FileFlaw(
    'impersonates an account by way of another impersonation',
    'Name the accounts in between in "delegates", and put the credential at the beginning of the chain into "source_credentials".',
  )
}

function authorizedUser(json: Json): AuthorizedUser {
  return {
    clientId: text(json, 'client_id'),
    clientSecret: text(json, 'client_secret'),
    refreshToken: text(json, 'refresh_token'),
  }
}

function typeOf(json: Json, expected: readonly CredentialType[]): CredentialType {
  const { type } = json
  // `gcloud auth print-access-token --format json` prints an authorized user without saying so.
  if (type === undefined && expected.includes('authorized_user') && 'refresh_token' in json) return 'authorized_user'
  if (typeof type === 'string' && Object.hasOwn(parsers, type)) return type as CredentialType
  if (type === 'gdch_service_account') {
    throw new FileFlaw(
      'is a service account of Google Distributed Cloud (gdch_service_account), which has no Cloud Healthcare API',
      'Use a credential of the Google Cloud project that the DICOM store is in.',
    )
  }
  const known = credentialTypes.join(', ')
  throw new FileFlaw(`has no "type" that this proxy knows (${known})`)
}

function privateKey(json: Json): string {
  const key = withLineBreaks(text(json, 'private_key'))
  if (isRsaKey(key)) return key
  throw new FileFlaw('has a damaged "private_key"', `Replace it. ${newKey}`)
}

/** Secret stores and scripts escape line breaks once more; no PEM text has a backslash. */
function withLineBreaks(key: string): string {
  return key.replace(/(?<!\\)\\+r/g, '').replace(/(?<!\\)\\+n/g, '\n')
}

function isRsaKey(key: string): boolean {
  try {
    return createPrivateKey(key).asymmetricKeyType === 'rsa'
  } catch {
    return false
  }
}

/**
 * Token endpoints are Google's of the default universe; a file for another cloud would send its
 * secret to the wrong place.
 */
function checkUniverse(json: Json): void {
  const universe = optionalText(json, 'universe_domain')
  if (universe && universe !== 'googleapis.com') {
    throw new FileFlaw(`is for the universe ${universe}`, 'Use a credential of googleapis.com: no other is supported.')
  }
}
