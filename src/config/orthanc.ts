import { canonicalClientName } from './canonical-names.ts'
import { isLoopback } from './loopback.ts'
import { certificateAuthorities } from './outgoing.ts'
import { schemaDefault } from './schema.ts'
import type { Section } from './section.ts'
import type { OrthancSettings, RegistrationSettings, Settings } from './settings.ts'
import { publicUrl } from './url.ts'

interface RegistrationContext extends Pick<Settings, 'clients' | 'listen'> {
  readonly workingDirectory: string
}

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
    registration: registration && (await readRegistration(registration, proxy, context)),
  }
}

async function readRegistration(
  section: Section,
  proxy: Section,
  context: RegistrationContext,
): Promise<RegistrationSettings | null> {
  const url = publicUrl(section, 'Url')
  const settings = {
    login: readLogin(section, 'Username', 'Password'),
    certificateAuthorities: await certificateAuthorities(section, 'CACertificates', context.workingDirectory),
    client: readLogin(section, 'Client', 'ClientPassword'),
    proxyUrl: publicUrl(section, 'ProxyUrl'),
    timeout: 1000 * section.number('Timeout'),
    interval: 1000 * section.number('Interval'),
  }
  checkClient(section, context.clients)
  if (url === null) return null
  const known = section.has('ProxyUrl') || proxy.text('PublicUrl') !== undefined
  const problem = known ? null : unreachableReason(context.listen.host, url)
  if (problem !== null)
    section.problem('ProxyUrl', `is missing (${problem})`, 'set it to the URL at which Orthanc reaches the proxy')
  return { url, ...settings }
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

export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function readLogin(section: Section, user: string, secret: string) {
  const [username, password] = [section.text(user), section.text(secret)]
  if ((username === undefined) !== (password === undefined)) {
    section.problem(username === undefined ? user : secret, 'is missing', `set both ${user} and ${secret}, or neither`)
  }
  return username === undefined || password === undefined ? null : { username, password }
}

function checkClient(section: Section, clients: Settings['clients']): void {
  const name = section.text('Client')
  if (name === undefined) return
  const client =
    clients && [...clients.named, ...clients.listed].find((client) => client.name === canonicalClientName(name))
  if (!client) section.problem('Client', 'is not a client in Clients or ClientsFile', 'name one that is')
  else if (client.passwordHash === null) {
    section.problem(
      'Client',
      'names a client without PasswordHash',
      'add one, because Orthanc can log in only with a password',
    )
  }
}
