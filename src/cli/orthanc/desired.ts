import { canonicalClientName } from '../../config/canonical-names.ts'
import { hostAndPort, isLoopback, isWildcard } from '../../config/loopback.ts'
import { unreachableReason } from '../../config/orthanc.ts'
import { parsePasswordHash } from '../../config/password-hash.ts'
import type { AccountSettings, DicomWebService, OrthancClientSettings, Settings } from '../../config/settings.ts'
import { verifyPassword } from '../../guard/password.ts'
import type { DesiredEntries } from '../../orthanc/registration.ts'
import type { DesiredEntry } from '../../orthanc/server-entry.ts'
import { dicomStoreOf } from '../../stores/dicom-store.ts'
import { CommandFailure, exitCode } from '../exit-code.ts'

export interface Login {
  readonly username: string
  readonly password: string
}

/** The DICOMweb servers of an Orthanc, and what is needed to compare them. */
export interface DesiredRegistration extends DesiredEntries {
  /** An entry without a login is of no use. */
  readonly requiresLogin: boolean
}

interface DesiredOptions {
  /** How Orthanc reaches the data listener, without a trailing slash. */
  readonly proxyUrl: string
  readonly client: OrthancClientSettings | null
  /** Milliseconds. */
  readonly timeout: number
}

/**
 * The DICOMweb servers that an Orthanc should have: an account each, as far as its client may use
 * it.
 */
export function desiredEntries(settings: Settings, { proxyUrl, client, timeout }: DesiredOptions): DesiredRegistration {
  const entries = new Map<string, DesiredEntry>()
  for (const account of settings.accounts) {
    const services = servicesOf(settings, account, client)
    if (services.length === 0) continue
    entries.set(account.name, {
      url: `${proxyUrl}${dicomStoreOf(account, settings.baseUrl).localPath}`,
      hasDelete: services.includes('DELETE'),
      timeout: Math.ceil(timeout / 1000),
      login: loginOf(client),
      certificate: client?.certificate ?? null,
      baseUrl: settings.baseUrl,
    })
  }
  return { entries, httpTimeout: settings.orthanc.httpTimeout, requiresLogin: settings.clients !== null }
}

/** The part of a client that is a password; null if it has none. */
export function loginOf(client: OrthancClientSettings | null): Login | null {
  const { name = null, password = null } = client ?? {}
  return name === null || password === null ? null : { username: name, password }
}

/** What a client may do with an account; without a client, all that the account allows. */
function servicesOf(
  settings: Settings,
  { name, access }: AccountSettings,
  given: OrthancClientSettings | null,
): DicomWebService[] {
  const client = given?.name ? clientNamed(settings, given.name) : null
  if (!client) return [...access]
  const rights = client.accounts.find(({ account }) => account === name)?.services ?? []
  return access.filter((service) => rights.includes(service))
}

/** The accounts that a client may search. */
export function searchableBy(settings: Settings, client: OrthancClientSettings | null): ReadonlySet<string> {
  const searchable = settings.accounts.filter((account) => servicesOf(settings, account, client).includes('QIDO-RS'))
  return new Set(searchable.map(({ name }) => name))
}

function clientNamed({ clients }: Settings, name: string) {
  return clients && [...clients.named, ...clients.listed].find((client) => client.name === canonicalClientName(name))
}

/** Checks that the proxy will accept this login, before Orthanc gets it. */
export async function checkLogin(settings: Settings, { name, password }: OrthancClientSettings): Promise<void> {
  if (name === null) return
  const client = clientNamed(settings, name)
  const fail = (what: string) => {
    throw new CommandFailure(`The client ${name} ${what}.`, exitCode.usage)
  }
  if (!client) return fail('is not in DicomWebProxy.Clients or ClientsFile')
  if (password === null) {
    if (client.certificateSubject !== null || client.certificateName !== null) return
    return fail('has neither CertificateSubject nor CertificateName')
  }
  const hash = client.passwordHash === null ? null : parsePasswordHash(client.passwordHash)
  if (!hash)
    return fail('has no PasswordHash. For a client certificate, set --client-certificate FILE and --client-key FILE')
  if (!(await verifyPassword(password, hash))) return fail('has another password')
}

/**
 * How Orthanc reaches the data listener, without a trailing slash.
 *
 * @param given by the command line or `DicomWebProxy.Orthanc`; null works it out from PublicUrl and
 * Listen
 */
export function proxyUrlFor(settings: Settings, orthancUrl: string, given: string | null): string {
  const known = given ?? settings.publicUrl
  if (known !== null) return known.replace(/(?<!\/)\/+$/, '')
  const { host, port } = settings.listen
  const problem =
    unreachableReason(host, orthancUrl) ?? (port === 0 ? 'the port of Listen is chosen at the start' : null)
  if (problem !== null) {
    throw new CommandFailure(
      `It is not clear how Orthanc reaches the proxy: ${problem}. Set --proxy-url URL.`,
      exitCode.usage,
    )
  }
  const scheme = settings.tls ? 'https' : 'http'
  if (isWildcard(host)) return `${scheme}://127.0.0.1:${port}`
  return `${scheme}://${hostAndPort(settings.listen)}`
}

/** A warning where passwords would go to another machine unencrypted; null if all is well. */
export function exposure(orthancUrl: string, logins: readonly (Login | null)[]): string | null {
  const { protocol, hostname } = new URL(orthancUrl)
  if (protocol === 'https:' || isLoopback(hostname) || logins.every((login) => login === null)) return null
  return 'Orthanc is on another machine and reached over http, so passwords can be read on the way. Use https.'
}
