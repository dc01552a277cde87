import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { readBoundedText } from '../bounded-files.ts'
import { type FileFolders, locate, namedFileFlaw } from './file-folders.ts'
import { ConfigurationError, type Finding, type Flaw, jsonPath } from './problem.ts'
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
  folders: FileFolders,
  warnings: string[],
): Promise<TlsSettings | null> {
  if (!tls) return null
  const path = async (key: 'Certificate' | 'Key' | 'ClientAuthorities') => {
    const file = tls.text(key)
    return file === undefined ? null : locate(file, folders)
  }
  const [certificate, key] = [await path('Certificate'), await path('Key')]
  const clientAuthorities = await path('ClientAuthorities')
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
  const material = await readMaterial(settings, tls, folders)
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
  const material = await readMaterial(settings, new Section({}, ['DicomWebProxy', 'Tls'], findings), noFolders)
  if (material) return material
  throw new ConfigurationError(
    findings.map(({ path, ...flaw }) => ({ file: 'configuration', path: jsonPath(path), ...flaw })),
  )
}

/** The paths are absolute. */
const noFolders: FileFolders = { workingDirectory: '' }

async function readMaterial(settings: TlsSettings, tls: Section, folders: FileFolders): Promise<TlsMaterial | null> {
  const { clientAuthorities } = settings
  const read = pemReader(tls, folders)
  const identity = await readIdentity(tls, settings, folders)
  const ca = clientAuthorities && (await read('ClientAuthorities', clientAuthorities, certificates))
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
  folders: FileFolders,
): Promise<Pick<TlsMaterial, 'cert' | 'key'> | null> {
  const read = pemReader(section, folders)
  const cert = await read('Certificate', files.certificate, certificates)
  const key = await read('Key', files.key, privateKey)
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

type ReadPem = (key: string, file: string, check: (text: string) => Flaw | null) => Promise<string | null>

/** Reads a file. Reports a problem and returns null if the check finds one. */
function pemReader(section: Section, folders: FileFolders): ReadPem {
  return async (key, file, check) => {
    try {
      const text = await readBoundedText(file)
      const flaw = check(text)
      if (flaw === null) return text
      section.problem(key, `names a file ${flaw.problem}`, flaw.remedy)
    } catch (error) {
      const { problem, remedy } = namedFileFlaw(error, section.text(key), folders)
      section.problem(key, `names a file that ${problem}`, remedy)
    }
    return null
  }
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
  /** Of the listeners, or of an intermediate one in its file that ends sooner. */
  readonly certificate: number
  /** The last of the authorities of clients' certificates; null without any. */
  readonly clientAuthorities: number | null
}

export function expiryOf({ cert, ca }: Pick<TlsMaterial, 'cert' | 'ca'>): CertificateExpiry {
  return {
    certificate: Math.min(...endsOf(cert)),
    clientAuthorities: ca === null ? null : Math.max(...endsOf(ca)),
  }
}

function endsOf(pem: string): readonly number[] {
  return certificatesIn(pem).map(({ validToDate }) => validToDate.getTime())
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
  const isOwn = certificate === endsOf(material.cert)[0]
  const own = isOwn ? 'The certificate of the listeners' : 'An intermediate certificate of the listeners'
  return [
    ...(certificate - now < expiryWarningMs ? [expiryWarning(own, 'Certificate', certificate, now)] : []),
    ...(clientAuthorities !== null && clientAuthorities - now < expiryWarningMs
      ? [expiryWarning("The CA of clients' certificates", 'ClientAuthorities', clientAuthorities, now)]
      : []),
  ]
}

function expiryWarning(what: string, key: 'Certificate' | 'ClientAuthorities', end: number, now: number): string {
  const whom = key === 'Certificate' ? 'clients that check it' : 'clients that log in with one'
  const at = new Date(end).toISOString()
  const days = Math.floor((end - now) / 86_400_000)
  const left = days === 0 ? 'within a day' : `in ${days} ${days === 1 ? 'day' : 'days'}`
  const when = end <= now ? `expired at ${at}, so ${whom} can't connect` : `expires at ${at}, ${left}`
  return `${what} ${when}. Replace the file in DicomWebProxy.Tls.${key}; it is read again without a restart.`
}
