import { canonicalClientName } from './canonical-names.ts'
import { type FileFolders, locate } from './file-folders.ts'
import { isLoopback, isWildcard } from './loopback.ts'
import { certificateAuthorities } from './outgoing.ts'
import { schemaDefault } from './schema.ts'
import type { Section } from './section.ts'
import type {
  OrthancClientSettings,
  OrthancSettings,
  RegistrationSettings,
  ResubmissionSettings,
  Settings,
} from './settings.ts'
import { publicUrl } from './url.ts'

type RegistrationContext = Pick<Settings, 'clients' | 'listen'> & FileFolders

/** Timeout of a registered server, in milliseconds, if the configuration has no section Orthanc. */
export const defaultTransferTimeout = 1000 * Number(schemaDefault('DicomWebProxy', 'Orthanc', 'Timeout'))

/** Names configured options that have no effect on the proxy, a sentence each. */
export function ignoredOptions(written: Section): readonly string[] {
  const notices: string[] = []
  const registers = written.section('DicomWebProxy').enabled('Orthanc') !== null
  if (written.section('DicomWeb').has('Root') && !registers) {
    notices.push("DicomWeb.Root has no effect on the proxy: it is the path of Orthanc's own DICOMweb server.")
  }
  if (written.has('HttpTimeout')) {
    notices.push(
      "HttpTimeout has no effect on the proxy: it limits Orthanc's transfers to the proxy. The proxy's own limits are in DicomWebProxy.Timeouts.",
    )
  }
  return notices
}

/** Reads what the configuration says about Orthanc itself. */
export async function readOrthanc(orthanc: Section, context: RegistrationContext): Promise<OrthancSettings> {
  const proxy = orthanc.section('DicomWebProxy')
  const registration = proxy.enabled('Orthanc')
  return {
    dicomWebRoot: orthanc.section('DicomWeb').text('Root') ?? '',
    httpTimeout: orthanc.has('HttpTimeout') ? 1000 * orthanc.number('HttpTimeout') : null,
    usesHttpProxy: Boolean(orthanc.text('HttpProxy')) && isReadByOrthanc(orthanc),
    registration: registration && (await readRegistration(registration, proxy, context)),
  }
}

/** Top-level keys that the proxy reads; any other one is Orthanc's alone. */
const ownKeys = new Set([
  '$schema',
  'GoogleCloudPlatform',
  'DicomWebProxy',
  'DicomWeb',
  'HttpProxy',
  'HttpTimeout',
  'HttpVerbose',
  'HttpsCACertificates',
  'HttpsVerifyPeers',
])

export function isReadByOrthanc(orthanc: Section): boolean {
  const beyond = orthanc.section('DicomWeb').keys.some((key) => key !== 'Root')
  return beyond || orthanc.keys.some((key) => !ownKeys.has(key))
}

async function readRegistration(
  section: Section,
  proxy: Section,
  context: RegistrationContext,
): Promise<RegistrationSettings | null> {
  const url = publicUrl(section, 'Url')
  const authoritiesFile = section.text('CACertificates')
  const settings = {
    login: readLogin(section, 'Username', 'Password'),
    certificateAuthorities: await certificateAuthorities(section, 'CACertificates', context),
    certificateAuthoritiesFile: authoritiesFile ? await locate(authoritiesFile, context) : null,
    client: readClient(section),
    proxyUrl: publicUrl(section, 'ProxyUrl'),
    timeout: 1000 * section.number('Timeout'),
    interval: 1000 * section.number('Interval'),
    resubmission: await readResubmission(section.enabled('ResubmitFailedJobs'), context),
  }
  checkClient(section, context.clients)
  if (url === null) return null
  const known = section.has('ProxyUrl') || proxy.text('PublicUrl') !== undefined
  const problem = known ? null : unreachableReason(context.listen.host, url)
  if (problem !== null)
    section.problem('ProxyUrl', `is missing (${problem})`, 'set it to the URL at which Orthanc reaches the proxy')
  return { url, ...settings }
}

async function readResubmission(section: Section | null, folders: FileFolders): Promise<ResubmissionSettings | null> {
  if (!section) return null
  const stateFile = section.text('StateFile')
  return {
    maxAttempts: section.number('MaxAttempts'),
    interval: 1000 * section.number('Interval'),
    maxAge: 1000 * section.number('MaxAge'),
    stateFile: stateFile === undefined ? null : await locate(stateFile, folders),
  }
}

/** Why the Orthanc at this URL can't connect to a listener on this host; null if it can. */
export function unreachableReason(host: string, orthancUrl: string): string | null {
  const isHere = isLoopback(new URL(orthancUrl).hostname)
  if (isHere) return null
  if (isLoopback(host)) return 'Orthanc is on another machine, but Listen lets only this one connect'
  return isWildcard(host)
    ? 'Orthanc is on another machine, and Listen is a wildcard address, which does not say where to connect'
    : null
}

function readLogin(section: Section, user: string, secret: string) {
  const [username, password] = [section.text(user), section.text(secret)]
  if ((username === undefined) !== (password === undefined)) {
    section.problem(username === undefined ? user : secret, 'is missing', `set both ${user} and ${secret}, or neither`)
  }
  return username === undefined || password === undefined ? null : { username, password }
}

function readClient(section: Section): OrthancClientSettings | null {
  const text = (key: string) => section.text(key) ?? null
  const [name, password] = [text('Client'), text('ClientPassword')]
  const [certificateFile, keyFile] = [text('ClientCertificate'), text('ClientKey')]
  if (password !== null && name === null)
    section.problem('Client', 'is missing', 'set both Client and ClientPassword, or neither')
  if ((certificateFile === null) !== (keyFile === null)) {
    const missing = keyFile === null ? 'ClientKey' : 'ClientCertificate'
    section.problem(missing, 'is missing', 'set both ClientCertificate and ClientKey, or neither')
  }
  const certificate = certificateFile !== null && keyFile !== null ? { certificateFile, keyFile } : null
  if (name !== null && password === null && certificateFile === null && keyFile === null)
    section.problem('ClientPassword', 'is missing', 'set it, or ClientCertificate and ClientKey')
  return name === null && certificate === null ? null : { name, password, certificate }
}

function checkClient(section: Section, clients: Settings['clients']): void {
  const name = section.text('Client')
  if (name === undefined) return
  const client =
    clients && [...clients.named, ...clients.listed].find((client) => client.name === canonicalClientName(name))
  if (!client) section.problem('Client', 'is not a client in Clients or ClientsFile', 'name one that is')
  else if (section.has('ClientPassword') && client.passwordHash === null) {
    section.problem(
      'Client',
      'names a client without PasswordHash',
      'add one, or set ClientCertificate and ClientKey instead of ClientPassword',
    )
  } else if (
    section.has('ClientKey') &&
    !section.has('ClientPassword') &&
    client.certificateSubject === null &&
    client.certificateName === null
  ) {
    section.problem(
      'Client',
      'names a client without CertificateSubject and CertificateName',
      'add one, or set ClientPassword',
    )
  }
}
