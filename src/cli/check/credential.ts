import { statBounded } from '../../bounded-files.ts'
import type { CredentialSettings, TokenSettings } from '../../config/settings.ts'
import {
  applicationDefaultFile,
  type CredentialFile,
  namedCredentialFile,
  readCredentialFile,
} from '../../credentials/credential-file.ts'
import { expectedFile } from '../../credentials/fetch-token.ts'

/** What is known of a credential without a request. */
export interface KnownCredential {
  /** E-mail address of the service account that Google sees; null if it can't be told. */
  readonly email: string | null
  /** E-mail address of the credential's own service account, which may impersonate another one. */
  readonly own: string | null
  /** Absolute path; null if the credential is no file. */
  readonly file: string | null
  readonly type: CredentialFile['type'] | 'metadata'
}

const words = {
  service_account: 'service account',
  authorized_user: 'authorized user',
  external_account: 'workload identity federation',
  external_account_authorized_user: 'workforce identity federation',
  impersonated_service_account: 'impersonated service account',
} as const

/** Reads the credential's file, if it has one, as the proxy will. */
export async function inspectCredential(
  { source, impersonate }: CredentialSettings,
  access: Pick<TokenSettings, 'allowedHosts' | 'timeout'>,
): Promise<{ known: KnownCredential; detail: string }> {
  const acting = impersonate ? `, acting as ${impersonate}` : ''
  if (source.kind === 'authorized-user') {
    return {
      known: { email: impersonate, own: null, file: null, type: 'authorized_user' },
      detail: `authorized user${acting}`,
    }
  }
  const file =
    source.kind === 'application-default'
      ? await applicationDefaultFile(source, access.timeout)
      : await namedCredentialFile(source, access.timeout)
  if (file === null) {
    const detail = `Application Default: no file, so the metadata server of this machine is used${acting}`
    return { known: { email: impersonate, own: null, file, type: 'metadata' }, detail }
  }
  const content = await readCredentialFile(file, expectedFile(source, access))
  const own = content.type === 'service_account' ? content.email : null
  const detail = `${words[content.type]}${own ? ` ${own}` : ''}${acting}${await exposed(file)}`
  return { known: { email: impersonate ?? own, own, file, type: content.type }, detail }
}

/**
 * On Windows, the mode of a file doesn't say whom it is for. Elsewhere the advice leaves its group
 * alone: the service may read it by that.
 */
async function exposed(file: string): Promise<string> {
  if (process.platform === 'win32') return ''
  const { mode } = await statBounded(file)
  return Number(mode) & 0o007 ? `; everyone on this machine can read it: chmod o-rwx ${file}` : ''
}
