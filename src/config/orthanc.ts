import { canonicalClientName } from './client-name.ts'
import { isLoopback } from './loopback.ts'
import { certificateAuthorities } from './outgoing.ts'
import type { Section } from './section.ts'
import type { OrthancSettings, RegistrationSettings, Settings } from './settings.ts'
import { publicUrl } from './url.ts'

interface Around extends Pick<Settings, 'clients' | 'listen'> {
  readonly workingDirectory: string
}

/** What Orthanc's guide advises for large studies, in milliseconds. */
export const advisedTimeout = 600_000

/** What the configuration says of Orthanc itself. */
export async function orthancOf(orthanc: Section, around: Around): Promise<OrthancSettings> {
  const httpTimeout = orthanc.number('HttpTimeout')
  const proxy = orthanc.section('DicomWebProxy')
  return {
    dicomWebRoot: orthanc.section('DicomWeb').text('Root') ?? '/dicom-web/',
    httpTimeout: httpTimeout === undefined ? null : 1000 * httpTimeout,
    registration: await registrationOf(proxy.section('Orthanc'), proxy, around),
  }
}

async function registrationOf(section: Section, proxy: Section, around: Around): Promise<RegistrationSettings | null> {
  if (section.keys.length === 0) return null
  const url = publicUrl(section, 'Url')
  const settings = {
    login: loginOf(section, 'Username', 'Password'),
    certificateAuthorities: await certificateAuthorities(section, 'CACertificates', around.workingDirectory),
    client: loginOf(section, 'Client', 'ClientPassword'),
    proxyUrl: publicUrl(section, 'ProxyUrl'),
    timeout: 1000 * (section.number('Timeout') ?? advisedTimeout / 1000),
    interval: 1000 * (section.number('Interval') ?? 30),
  }
  checkClient(section, around.clients)
  if (url === null) return null
  const known = section.has('ProxyUrl') || proxy.text('PublicUrl') !== undefined
  const problem = known ? null : unreachable(around.listen.host, url)
  if (problem !== null) section.problem('ProxyUrl', `is missing; ${problem}`)
  return { url, ...settings }
}

/** Why Orthanc could not connect to a listener on this host, seen from the URL at which we reach Orthanc; null if it can. */
export function unreachable(host: string, orthancUrl: string): string | null {
  const isHere = isLoopback(new URL(orthancUrl).hostname)
  if (isHere) return null
  if (isLoopback(host)) return 'Orthanc is on another machine, and Listen lets only this one connect'
  return isWildcard(host)
    ? 'Orthanc is on another machine, and Listen does not say by which name it reaches this one'
    : null
}

export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function loginOf(section: Section, user: string, secret: string) {
  const [username, password] = [section.text(user), section.text(secret)]
  if ((username === undefined) !== (password === undefined)) {
    section.problem(
      username === undefined ? user : secret,
      `is missing; ${user} and ${secret} are of use together only`,
    )
  }
  return username === undefined || password === undefined ? null : { username, password }
}

function checkClient(section: Section, clients: Settings['clients']): void {
  const name = section.text('Client')
  if (name === undefined) return
  const client =
    clients && [...clients.named, ...clients.listed].find((client) => client.name === canonicalClientName(name))
  if (!client) section.problem('Client', 'is none of Clients or ClientsFile; name one of them')
  else if (client.passwordHash === null) {
    section.problem('Client', 'has no PasswordHash; Orthanc can log in by a password only')
  }
}
