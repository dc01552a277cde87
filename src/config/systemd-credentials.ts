import { resolve, sep } from 'node:path'
import { readBoundedText } from '../bounded-files.ts'
import type { Finding } from './problem.ts'
import type { AccountSettings, CredentialSource } from './settings.ts'
import type { Environment } from './variables.ts'

/**
 * Finds accounts whose credential file systemd should have passed (`LoadCredential=`), and has not.
 * Other missing files affect only their account, and may appear while the proxy runs. systemd
 * copies credentials once, before the start, so only another start helps.
 */
export async function missingSystemdCredentials(
  accounts: readonly AccountSettings[],
  { CREDENTIALS_DIRECTORY: folder }: Environment,
): Promise<readonly Finding[]> {
  if (!folder) return []
  const findings = accounts.map(async ({ name, credential: { source } }) => {
    const file = fileOf(source)
    if (!file?.startsWith(resolve(folder) + sep) || !(await isMissing(file))) return []
    return { path: ['GoogleCloudPlatform', 'Accounts', name, keys[source.kind]], ...notPassed }
  })
  return (await Promise.all(findings)).flat()
}

const notPassed = {
  problem: 'names a credential that systemd has not passed to this service',
  remedy:
    'save the credential file where LoadCredential= of the unit says (systemctl cat gcp-dicomweb-proxy), then start the service again',
}

/** Where the configuration names each kind. */
const keys: Readonly<Record<CredentialSource['kind'], string>> = {
  'service-account-file': 'ServiceAccountFile',
  'authorized-user-file': 'AuthorizedUserFile',
  'external-account-file': 'ExternalAccountFile',
  'authorized-user': 'AuthorizedUserRefreshToken',
  'application-default': 'ApplicationDefault',
}

function fileOf(source: CredentialSource): string | null {
  return 'file' in source ? source.file : null
}

/** Our unit has systemd pass a blank one if there is none (`SetCredential=`). */
async function isMissing(file: string): Promise<boolean> {
  try {
    return (await readBoundedText(file)).trim() === ''
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT'
  }
}
