import type { DicomWebServerEntry } from './orthanc-rest.ts'
import { hasUserInfo, shownUrl } from './shown-url.ts'

/** What a DICOMweb server's entry in Orthanc should say. */
export interface DesiredEntry {
  /** Of an account on the proxy's data listener; ends with a slash. */
  readonly url: string
  readonly hasDelete: boolean
  /** Seconds that Orthanc allows one transfer in all, at least: a longer limit stays. */
  readonly timeout: number
  /**
   * As which of the proxy's clients Orthanc logs in. Without login and certificate, its own stays.
   */
  readonly login: { readonly username: string; readonly password: string } | null
  readonly certificate: ClientCertificate | null
  /** Of Google, where the entries of the Orthanc GCP plugin lead, unless to *.googleapis.com. */
  readonly baseUrl?: string
}

/** Names of PEM files where Orthanc runs. The key has no passphrase. */
export interface ClientCertificate {
  readonly certificateFile: string
  readonly keyFile: string
}

/**
 * An entry as Orthanc shows it: no password, no name of a key file, and of headers their names
 * only. Flags are `"1"` and `"0"`, or booleans.
 */
export type SeenEntry = Readonly<Record<string, unknown>>

/** A difference, fit to be shown. */
export interface Difference {
  readonly key: string
  readonly from: string
  readonly to: string
}

/** What has to be done so that Orthanc's entry says what it should. */
export interface Plan {
  readonly name: string
  /**
   * `leave`: it differs, or may differ in a given password, but to write it would destroy what is
   * {@link hidden}.
   */
  readonly action: 'add' | 'change' | 'keep' | 'leave'
  readonly differences: readonly Difference[]
  /** Keys of the entry that Orthanc doesn't show, so that they would be lost. */
  readonly hidden: readonly string[]
  /** Whether the entry will have a login, its own or a given one. */
  readonly hasLogin: boolean
  /** To send to Orthanc; it holds the password. */
  readonly entry: DicomWebServerEntry
}

const notSet = '(not set)'
/** What we say ourselves, and what Orthanc shows too little of to be kept. */
const notPreserved = new Set([
  'Url',
  'HasDelete',
  'ChunkedTransfers',
  'HasWadoRsUniversalTransferSyntax',
  'Timeout',
  'Username',
  'Password',
  'HttpHeaders',
  'CertificateFile',
  'CertificateKeyFile',
  'CertificateKeyPassword',
])

/**
 * Compares an entry with what it should say; `seen` is undefined where Orthanc has none of that
 * name.
 *
 * @param httpTimeout Orthanc's general limit in seconds, for entries without their own
 */
export function planOf(name: string, desired: DesiredEntry, seen: SeenEntry | undefined, httpTimeout: number): Plan {
  const given = desired.login !== null || desired.certificate !== null
  const entry = { ...(seen && preservedOf(seen)), ...entryOf(desired, seen, httpTimeout) }
  if (!seen) {
    const differences = [{ key: 'Url', from: notSet, to: desired.url }]
    return { name, action: 'add', differences, hidden: [], hasLogin: given, entry }
  }
  const differences = differencesOf(desired, seen, httpTimeout)
  const hidden = hiddenIn(seen, desired)
  const hasLogin = given || ownLogin(seen) !== null
  return { name, action: actionOf(differences, hidden, given), differences, hidden, hasLogin, entry }
}

/** What Orthanc doesn't show can't be compared: what is given of it is written each time. */
function actionOf(differences: readonly Difference[], hidden: readonly string[], given: boolean): Plan['action'] {
  if (differences.length === 0 && !given) return 'keep'
  return hidden.length > 0 ? 'leave' : 'change'
}

/** Flags as texts, which old plugins want, and the time as a number, which all want. */
function entryOf(desired: DesiredEntry, seen: SeenEntry | undefined, httpTimeout: number) {
  const { url, hasDelete, login, certificate } = desired
  const entry: DicomWebServerEntry = {
    Url: url,
    HasDelete: flag(hasDelete),
    ChunkedTransfers: '1',
    Timeout: longerTimeout(desired, seen ?? {}, httpTimeout),
    ...(seen && 'HasWadoRsUniversalTransferSyntax' in seen && { HasWadoRsUniversalTransferSyntax: '1' }),
    ...(login && { Username: login.username, Password: login.password }),
    ...(certificate && certificateKeys(certificate)),
  }
  return entry
}

/** Orthanc wants all three. */
function certificateKeys({ certificateFile, keyFile }: ClientCertificate) {
  return { CertificateFile: certificateFile, CertificateKeyFile: keyFile, CertificateKeyPassword: '' }
}

/** Other people's properties stay. */
function preservedOf(seen: SeenEntry): Readonly<Record<string, string | boolean | number>> {
  const preserved: Record<string, string | boolean | number> = {}
  for (const [key, value] of Object.entries(seen)) {
    if (notPreserved.has(key)) continue
    if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') preserved[key] = value
  }
  return preserved
}

/**
 * What an entry has that can't be written again by someone who knows only what was desired of it.
 */
export function notRestorable(seen: SeenEntry, written: DesiredEntry): readonly string[] {
  const { login, certificate } = written
  const isOther =
    shown(seen.Username) !== shown(login?.username) ||
    shown(seen.CertificateFile) !== shown(certificate?.certificateFile)
  const hidden = hiddenIn(seen, isOther ? { ...written, login: null, certificate: null } : written)
  const added = Object.keys(seen).filter((key) => !notPreserved.has(key) && key !== 'Pkcs11')
  return [...hidden, ...added, ...(isOn(seen.Pkcs11, false) ? ['Pkcs11'] : [])]
}

/** What the entry has and Orthanc doesn't show, unless it is given, or of no use to the proxy. */
function hiddenIn(seen: SeenEntry, desired: DesiredEntry): readonly string[] {
  const { login, certificate } = desired
  const replaced = login !== null || certificate !== null
  const dropped = droppedHeaders(desired, seen)
  const headers = headersOf(seen).filter((name) => !dropped.includes(name))
  return [
    ...(isText(seen.CertificateFile) && !certificate ? ['CertificateKeyFile'] : []),
    ...(isText(seen.Username) && !replaced ? ['Password'] : []),
    ...(hasUserInfo(seen.Url) && !replaced ? ['Url (login)'] : []),
    ...headers.map((name) => `HttpHeaders.${name}`),
  ]
}

/**
 * Headers that are of no use any more: the plugin's access token, and what a given login replaces.
 */
function droppedHeaders(desired: DesiredEntry, seen: SeenEntry): readonly string[] {
  const replaced = desired.login !== null || desired.certificate !== null || leadsToGoogle(desired, seen)
  return replaced ? headersOf(seen).filter(isAuthorization) : []
}

const storePath = /\/projects\/[^/]+\/locations\/[^/]+\/datasets\/[^/]+\/dicomStores\/[^/]+\/dicomWeb\/?$/

/** An entry that the Orthanc GCP plugin has written, with its access token in the headers. */
function leadsToGoogle({ baseUrl }: DesiredEntry, { Url }: SeenEntry): boolean {
  const url = URL.parse(String(Url))
  if (!url || !storePath.test(url.pathname)) return false
  return url.hostname.endsWith('.googleapis.com') || (baseUrl !== undefined && url.host === URL.parse(baseUrl)?.host)
}

/** How an entry logs in as Orthanc shows it, fit to be shown; null if it doesn't. */
export function ownLogin(seen: SeenEntry): string | null {
  if (isText(seen.Username)) return `as ${seen.Username}`
  if (isText(seen.CertificateFile) || isOn(seen.Pkcs11, false)) return 'by client certificate'
  if (hasUserInfo(seen.Url)) return 'by its Url'
  return headersOf(seen).some(isAuthorization) ? 'by a header, Authorization' : null
}

function headersOf({ HttpHeaders: names }: SeenEntry): readonly string[] {
  return Array.isArray(names) ? names.map(String) : []
}

function isAuthorization(header: string): boolean {
  return header.toLowerCase() === 'authorization'
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function differencesOf(desired: DesiredEntry, seen: SeenEntry, httpTimeout: number): readonly Difference[] {
  const found: Difference[] = []
  const differs = (key: string, from: unknown, to: string) => found.push({ key, from: shown(from), to })
  const { login, certificate } = desired
  const given = login !== null || certificate !== null
  const replaced = given || leadsToGoogle(desired, seen)
  if (!isSameUrl(seen.Url, desired.url) || (given && hasUserInfo(seen.Url)))
    differs('Url', shownUrl(seen.Url), desired.url)
  // Which client it logs in as can't be seen, so neither can what that client may do.
  const knowsRights = replaced || ownLogin(seen) === null
  if (knowsRights && isOn(seen.HasDelete, false) !== desired.hasDelete)
    differs('HasDelete', seen.HasDelete, flag(desired.hasDelete))
  if (!sendsChunked(seen)) differs('ChunkedTransfers', seen.ChunkedTransfers, flag(true))
  if (!retrievesUnchanged(seen))
    differs('HasWadoRsUniversalTransferSyntax', seen.HasWadoRsUniversalTransferSyntax, flag(true))
  // Old plugins don't show it.
  const timeout = longerTimeout(desired, seen, httpTimeout)
  if ('Timeout' in seen && timeoutOf(seen) !== timeout) differs('Timeout', seen.Timeout, String(timeout))
  if (replaced && shown(seen.Username) !== shown(login?.username))
    differs('Username', seen.Username, shown(login?.username))
  if (certificate && seen.CertificateFile !== certificate.certificateFile)
    differs('CertificateFile', seen.CertificateFile, certificate.certificateFile)
  const dropped = droppedHeaders(desired, seen)
  if (dropped.length > 0) differs('HttpHeaders', dropped.join(', '), notSet)
  return found
}

/** Seconds; 0 leaves it to Orthanc's HttpTimeout. Texts are numbers, too. */
function timeoutOf({ Timeout: value }: SeenEntry): number {
  return Number(value ?? 0) || 0
}

/** A longer limit stays: somebody needed it. So does Orthanc's own, in a new entry, too. */
function longerTimeout({ timeout }: DesiredEntry, seen: SeenEntry, httpTimeout: number): number {
  const own = timeoutOf(seen)
  return (own || httpTimeout) >= timeout ? own : timeout
}

/** Whether Orthanc asks for images as they are stored; it does unless told otherwise. */
export function retrievesUnchanged({ HasWadoRsUniversalTransferSyntax: value }: SeenEntry): boolean {
  return isOn(value, true)
}

/** Whether Orthanc streams what it sends; it does unless told otherwise. */
export function sendsChunked({ ChunkedTransfers: value }: SeenEntry): boolean {
  return isOn(value, true)
}

const ownMachine: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * Orthanc adds a slash, and may leave one out. A login is no part of the address, and the names of
 * the same machine are one.
 */
export function isSameUrl(one: unknown, other: string): boolean {
  const normal = (text: string) => {
    const url = URL.parse(text)
    if (!url) return undefined
    const hostname = ownMachine.has(url.hostname) ? 'localhost' : url.hostname
    Object.assign(url, { username: '', password: '', hostname })
    return url.href.replace(/(?<!\/)\/+$/, '')
  }
  return typeof one === 'string' && normal(one) !== undefined && normal(one) === normal(other)
}

function isOn(value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise
  return value === true || (typeof value === 'string' && /^(1|true)$/i.test(value))
}

function flag(on: boolean): string {
  return on ? '1' : '0'
}

function shown(value: unknown): string {
  return value === undefined || value === null || value === '' ? notSet : String(value)
}

/**
 * An entry as it may stand in `DicomWeb.Servers` of Orthanc's configuration, without a password.
 */
export function configurationOf(desired: DesiredEntry, passwordVariable: string) {
  const { url, hasDelete, timeout, login, certificate } = desired
  return {
    Url: url,
    HasDelete: hasDelete,
    ChunkedTransfers: true,
    Timeout: timeout,
    ...(login && { Username: login.username, Password: `\${${passwordVariable}}` }),
    ...(certificate && certificateKeys(certificate)),
  }
}
