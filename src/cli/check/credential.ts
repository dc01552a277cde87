import { statBounded } from '../../bounded-files.ts'
import type { CredentialSettings, CredentialSource, TokenSettings } from '../../config/settings.ts'
import { TokenFailure } from '../../credentials/access-token.ts'
import {
  applicationDefaultFile,
  type CredentialFile,
  credentialTypes,
  readCredentialFile,
} from '../../credentials/credential-file.ts'
import { FileFlaw } from '../../credentials/credential-json.ts'
import { fileTypes } from '../../credentials/fetch-token.ts'
import { Trouble } from './trouble.ts'

/** What is known of a credential without asking anyone. */
export interface KnownCredential {
  /** E-mail address of the service account that Google sees; null if it can't be told. */
  readonly email: string | null
  /** Absolute path; null if the credential is no file. */
  readonly file: string | null
  readonly type: CredentialFile['type'] | 'metadata'
}

const words = {
  service_account: 'service account',
  authorized_user: 'authorized user',
  external_account: 'workload identity federation',
  impersonated_service_account: 'impersonated service account',
} as const

/** The option that names a credential, for messages. */
const options: Readonly<Record<CredentialSource['kind'], string>> = {
  'service-account-file': 'ServiceAccountFile',
  'authorized-user-file': 'AuthorizedUserFile',
  'authorized-user': 'AuthorizedUserClientId, AuthorizedUserClientSecret and AuthorizedUserRefreshToken',
  'external-account-file': 'ExternalAccountFile',
  'application-default': 'GOOGLE_APPLICATION_CREDENTIALS',
}

/** Reads the credential's file, if it has one, as the proxy will. */
export async function inspectCredential(
  { source, impersonate }: CredentialSettings,
  { allowedHosts, timeout }: Pick<TokenSettings, 'allowedHosts' | 'timeout'>,
): Promise<{ known: KnownCredential; detail: string }> {
  const acting = impersonate ? `, acting as ${impersonate}` : ''
  if (source.kind === 'authorized-user') {
    return { known: { email: impersonate, file: null, type: 'authorized_user' }, detail: `authorized user${acting}` }
  }
  const file = source.kind === 'application-default' ? await applicationDefaultFile(source, timeout) : source.file
  if (file === null) {
    const detail = `Application Default: no file, so the metadata server of this machine is asked${acting}`
    return { known: { email: impersonate, file, type: 'metadata' }, detail }
  }
  const types = source.kind === 'application-default' ? credentialTypes : fileTypes[source.kind]
  const content = await readFile(file, { types, allowedHosts, timeout }, options[source.kind])
  const own = content.type === 'service_account' ? content.email : null
  const detail = `${words[content.type]}${own ? ` ${own}` : ''}${acting}${await exposed(file)}`
  return { known: { email: impersonate ?? own, file, type: content.type }, detail }
}

/** On systems that tell whom a file is for. */
async function exposed(file: string): Promise<string> {
  const { mode } = await statBounded(file)
  return Number(mode) & 0o007 ? `; everyone on this machine can read it: chmod 600 ${file}` : ''
}

async function readFile(file: string, expected: Parameters<typeof readCredentialFile>[1], option: string) {
  try {
    return await readCredentialFile(file, expected)
  } catch (error) {
    const { cause } = error as { cause?: unknown }
    if (cause instanceof FileFlaw) {
      const [flaw = '', remedy = newKey] = cause.message.split(/: (.*)/s)
      throw new Trouble('file-flawed', `Credential file ${file} ${flaw}.`, sentence(remedy), { cause })
    }
    const why = error instanceof TokenFailure ? error.message : `Credential file ${file} can't be read.`
    const code = (cause as NodeJS.ErrnoException | undefined)?.code
    if (code === 'ENOENT')
      throw new Trouble('file-missing', why, `Put the file there, or correct ${option}. ${newKey}`, { cause })
    const remedy =
      code === 'ERR_FILE_TIMEOUT'
        ? 'Look whether the drive is mounted, and its server runs. The other accounts are served meanwhile.'
        : code === 'EACCES'
          ? `Run check as the user that the proxy runs as, and let that user read it: chown USER ${file}`
          : `Correct ${option}: it names the file itself.`
    throw new Trouble('file-unreadable', why, remedy, { cause })
  }
}

const newKey = 'A new key: gcloud iam service-accounts keys create FILE --iam-account=EMAIL'

/** As a sentence of its own. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!]$/.test(text) ? '' : '.'}`
}
