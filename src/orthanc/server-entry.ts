import type { DicomWebServerEntry } from './orthanc-rest.ts'

/** What a DICOMweb server's entry in Orthanc should say. */
export interface DesiredEntry {
  /** Of an account on the proxy's data listener; ends with a slash. */
  readonly url: string
  readonly hasDelete: boolean
  /** Seconds that Orthanc allows one transfer in all. */
  readonly timeout: number
  /**
   * As which of the proxy's clients Orthanc logs in; null leaves any client certificate as it is.
   */
  readonly login: { readonly username: string; readonly password: string } | null
}

/**
 * An entry as Orthanc shows it: no password, and of headers their names only. Flags are `"1"` and
 * `"0"`, or booleans.
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
  readonly action: 'add' | 'change' | 'keep'
  readonly differences: readonly Difference[]
  /** To send to Orthanc; it holds the password. */
  readonly entry: DicomWebServerEntry
}

const notSet = '(not set)'
/** What we say ourselves, and what Orthanc shows too little of to be kept. */
const notPreserved = new Set([
  'Url',
  'HasDelete',
  'ChunkedTransfers',
  'Timeout',
  'Username',
  'Password',
  'HttpHeaders',
  'CertificateKeyPassword',
])

/**
 * Compares an entry with what it should say; `seen` is undefined where Orthanc has none of that
 * name.
 */
export function planOf(name: string, desired: DesiredEntry, seen: SeenEntry | undefined): Plan {
  const entry = { ...(seen && keptOf(seen)), ...entryOf(desired) }
  if (!seen) return { name, action: 'add', differences: [{ key: 'Url', from: notSet, to: desired.url }], entry }
  const differences = differencesOf(desired, seen)
  // A password is never shown: whether it is the right one can't be seen.
  return { name, action: differences.length === 0 && !desired.login ? 'keep' : 'change', differences, entry }
}

/** Flags as texts, which old plugins want, and the time as a number, which all want. */
function entryOf({ url, hasDelete, timeout, login }: DesiredEntry): DicomWebServerEntry {
  return {
    Url: url,
    HasDelete: hasDelete ? '1' : '0',
    ChunkedTransfers: '1',
    Timeout: timeout,
    ...(login && { Username: login.username, Password: login.password }),
  }
}

/** A client certificate and its key stay, and so do other people's properties. */
function keptOf(seen: SeenEntry): Readonly<Record<string, string | boolean | number>> {
  const kept: Record<string, string | boolean | number> = {}
  for (const [key, value] of Object.entries(seen)) {
    if (notPreserved.has(key)) continue
    if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') kept[key] = value
  }
  // Orthanc wants all three, or none; that of a key without a passphrase is empty.
  return 'CertificateKeyFile' in kept ? { ...kept, CertificateKeyPassword: '' } : kept
}

function differencesOf(desired: DesiredEntry, seen: SeenEntry): readonly Difference[] {
  const found: Difference[] = []
  const differs = (key: string, from: string, to: string) => found.push({ key, from, to })
  if (!isSameUrl(seen.Url, desired.url)) differs('Url', shown(seen.Url), desired.url)
  if (isOn(seen.HasDelete, false) !== desired.hasDelete)
    differs('HasDelete', shown(seen.HasDelete), flag(desired.hasDelete))
  if (!sendsChunked(seen)) differs('ChunkedTransfers', shown(seen.ChunkedTransfers), flag(true))
  // Old plugins don't show it, and texts are numbers, too.
  if ('Timeout' in seen && Number(seen.Timeout) !== desired.timeout)
    differs('Timeout', shown(seen.Timeout), String(desired.timeout))
  const username = desired.login?.username
  if ((seen.Username || undefined) !== username) differs('Username', shown(seen.Username), username ?? notSet)
  // The Orthanc GCP plugin leaves its access token there.
  if (Array.isArray(seen.HttpHeaders) && seen.HttpHeaders.length > 0) {
    differs('HttpHeaders', seen.HttpHeaders.map(String).join(', '), notSet)
  }
  return found
}

/** Whether Orthanc streams what it sends; it does unless told otherwise. */
export function sendsChunked({ ChunkedTransfers: value }: SeenEntry): boolean {
  return isOn(value, true)
}

/** Orthanc adds a slash, and may leave one out. */
export function isSameUrl(one: unknown, other: string): boolean {
  const normal = (text: string) => URL.parse(text)?.href.replace(/(?<!\/)\/+$/, '')
  return typeof one === 'string' && normal(one) !== undefined && normal(one) === normal(other)
}

function isOn(value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise
  return value === true || value === '1' || value === 'true'
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
export function configurationOf({ url, hasDelete, timeout, login }: DesiredEntry, passwordVariable: string) {
  return {
    Url: url,
    HasDelete: hasDelete,
    ChunkedTransfers: true,
    Timeout: timeout,
    ...(login && { Username: login.username, Password: `\${${passwordVariable}}` }),
  }
}
