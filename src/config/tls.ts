import { createPrivateKey, X509Certificate } from 'node:crypto'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import { readBoundedFile } from '../bounded-files.ts'
import { ConfigurationError, type Finding, type Flaw, jsonPath } from './problem.ts'
import { fileFlaw } from './read.ts'
import { Section } from './section.ts'
import type { TlsSettings } from './settings.ts'

/** The contents of the files for a TLS listener. The key is a secret. */
export interface TlsMaterial {
  /** The certificate and its intermediate certificates, PEM. */
  readonly cert: string
  readonly key: string
  /** Authorities of clients' certificates, PEM; null requests none. */
  readonly ca: string | null
}

/**
 * Reads the section Tls; null if the listeners speak plain http. Also reads the files, to report
 * problems.
 */
export async function readTlsSettings(
  tls: Section | null,
  workingDirectory: string,
  warnings: string[],
): Promise<TlsSettings | null> {
  if (!tls) return null
  const path = (key: 'Certificate' | 'Key' | 'ClientAuthorities') => {
    const file = tls.text(key)
    return file === undefined ? null : resolve(workingDirectory, file)
  }
  const [certificate, key, clientAuthorities] = [path('Certificate'), path('Key'), path('ClientAuthorities')]
  const requireClientCertificate = tls.flag('RequireClientCertificate')
  if (requireClientCertificate && clientAuthorities === null) {
    tls.problem(
      'RequireClientCertificate',
      'needs ClientAuthorities',
      "set ClientAuthorities to the file with the authorities that sign clients' certificates",
    )
  }
  if (!certificate || !key) return null
  const settings = { certificate, key, clientAuthorities, requireClientCertificate, http2: tls.flag('Http2') }
  const material = await readMaterial(settings, tls)
  if (material) warnings.push(...expiryWarnings(material))
  return settings
}

/**
 * Reads the files again.
 *
 * Rejects with a ConfigurationError if they can't be used.
 */
export async function readTls(settings: TlsSettings): Promise<TlsMaterial> {
  const findings: Finding[] = []
  const material = await readMaterial(settings, new Section({}, ['DicomWebProxy', 'Tls'], findings))
  if (material) return material
  throw new ConfigurationError(
    findings.map(({ path, ...flaw }) => ({ file: 'configuration', path: jsonPath(path), ...flaw })),
  )
}

async function readMaterial(settings: TlsSettings, tls: Section): Promise<TlsMaterial | null> {
  const identity = await readIdentity(tls, settings)
  const ca =
    settings.clientAuthorities && (await pem(tls, 'ClientAuthorities', settings.clientAuthorities, certificates))
  if (!identity || (ca === null && settings.clientAuthorities !== null)) return null
  return { ...identity, ca }
}

/**
 * Reads the files that `Certificate` and `Key` name. Reports a problem and returns null if they
 * can't be used.
 */
export async function readIdentity(
  section: Section,
  files: Pick<TlsSettings, 'certificate' | 'key'>,
): Promise<Pick<TlsMaterial, 'cert' | 'key'> | null> {
  const cert = await pem(section, 'Certificate', files.certificate, certificates)
  const key = await pem(section, 'Key', files.key, privateKey)
  if (cert === null || key === null) return null
  try {
    createSecureContext({ cert, key })
    return { cert, key }
  } catch (error) {
    const mismatch = (error as NodeJS.ErrnoException).code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH'
    section.problem(
      'Key',
      mismatch ? 'is not the key of Certificate' : 'cannot be used together with Certificate',
      'name the file with its private key',
    )
    return null
  }
}

/** Reads a file. Reports a problem and returns null if the check finds one. */
async function pem(
  tls: Section,
  key: string,
  file: string,
  check: (text: string) => Flaw | null,
): Promise<string | null> {
  try {
    const text = (await readBoundedFile(file)).toString('latin1')
    const flaw = check(text)
    if (flaw === null) return text
    tls.problem(key, `names a file ${flaw.problem}`, flaw.remedy)
  } catch (error) {
    const { problem, remedy } = fileFlaw(error)
    tls.problem(key, `names a file that ${problem}`, remedy)
  }
  return null
}

const certificateForm = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

function certificates(text: string): Flaw | null {
  const each = text.match(certificateForm) ?? []
  if (each.length === 0) {
    return { problem: 'without a certificate in PEM form (-----BEGIN CERTIFICATE-----)', remedy: '' }
  }
  const damaged = each.findIndex((one) => !succeeds(() => new X509Certificate(one)))
  return damaged === -1 ? null : { problem: `whose certificate no. ${damaged + 1} is damaged`, remedy: 'replace it' }
}

function privateKey(text: string): Flaw | null {
  if (text.includes('ENCRYPTED')) {
    return {
      problem: 'with an encrypted key',
      remedy: 'store the key without a passphrase, readable only by the proxy',
    }
  }
  return succeeds(() => createPrivateKey(text))
    ? null
    : { problem: 'without a private key in PEM form (-----BEGIN PRIVATE KEY-----)', remedy: '' }
}

function succeeds(action: () => unknown): boolean {
  try {
    action()
    return true
  } catch {
    return false
  }
}

/** When certificates end, in epoch milliseconds. */
export interface CertificateExpiry {
  /** Of the listeners. */
  readonly certificate: number
  /** The last of the authorities of clients' certificates; null without any. */
  readonly clientAuthorities: number | null
}

export function expiryOf({ cert, ca }: Pick<TlsMaterial, 'cert' | 'ca'>): CertificateExpiry {
  const [own] = certificatesIn(cert)
  return {
    certificate: own?.validToDate.getTime() ?? 0,
    clientAuthorities: ca === null ? null : Math.max(...certificatesIn(ca).map((one) => one.validToDate.getTime())),
  }
}

/** The certificates of a file in PEM form; the listeners' own is the first. */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  return (pem.match(certificateForm) ?? []).map((one) => new X509Certificate(one))
}

/** Whoever has to ask somebody else for a certificate needs two weeks. */
export const expiryWarningMs = 14 * 86_400_000

/** A warning for each of the listeners' certificates that has expired or expires soon. */
export function expiryWarnings(material: TlsMaterial, now = Date.now()): readonly string[] {
  const { certificate, clientAuthorities } = expiryOf(material)
  return [
    ...(certificate - now < expiryWarningMs ? [expiryWarning('Certificate', certificate, now)] : []),
    ...(clientAuthorities !== null && clientAuthorities - now < expiryWarningMs
      ? [expiryWarning('ClientAuthorities', clientAuthorities, now)]
      : []),
  ]
}

function expiryWarning(key: 'Certificate' | 'ClientAuthorities', end: number, now: number): string {
  const [what, whom] = {
    Certificate: ['The certificate of the listeners', 'clients that check it'],
    ClientAuthorities: ["The CA of clients' certificates", 'clients that log in with one'],
  }[key]
  const at = new Date(end).toISOString()
  const days = Math.floor((end - now) / 86_400_000)
  const left = days === 0 ? 'within a day' : `in ${days} ${days === 1 ? 'day' : 'days'}`
  const when = end <= now ? `expired at ${at}, so ${whom} can't connect` : `expires at ${at}, ${left}`
  return `${what} ${when}. Replace the file in DicomWebProxy.Tls.${key}; it is read again without a restart.`
}
