import type { AccountSettings, Settings } from '../../config/settings.ts'
import { OrthancError } from '../../orthanc/orthanc-error.ts'
import type { OrthancRest, RemoteResource } from '../../orthanc/orthanc-rest.ts'
import { isSameUrl, type SeenEntry } from '../../orthanc/server-entry.ts'
import { dicomStoreOf } from '../../stores/dicom-store.ts'
import { CommandFailure, exitCode } from '../exit-code.ts'
import { proxyUrlFor } from '../orthanc/desired.ts'
import type { Target } from '../orthanc/target.ts'
import type { Difference } from './difference.ts'

/** In one command: systems limit its length, to 128 KiB on Linux. */
const maxResources = 250

/** How Orthanc is told to transfer what is missing. */
export interface TransferOptions {
  readonly url: string
  /** Orthanc's `DicomWeb.Root`, with slashes at both ends. */
  readonly dicomWebRoot: string
  /** Orthanc's DICOMweb server for the account. */
  readonly server: string
  readonly username: string | null
  /** File with the CA of Orthanc's certificate. */
  readonly ca: string | null
}

/** Commands for a shell, of which each starts a job in Orthanc. */
export class Transfers {
  readonly #options: TransferOptions

  constructor(options: TransferOptions) {
    this.#options = options
  }

  /** Sends what Google lacks. */
  send({ missingAtGoogle }: Difference): string[] {
    return inBatches(missingAtGoogle?.resources ?? []).map((resources) => this.#post('stow', resources))
  }

  /** Retrieves what Orthanc lacks. */
  retrieve({ missingInOrthanc }: Difference): string[] {
    const resources = (missingInOrthanc?.resources ?? []).map(remote)
    return inBatches(resources).map((batch) => this.#post('retrieve', batch))
  }

  #post(operation: 'stow' | 'retrieve', resources: readonly unknown[]): string {
    const { url, dicomWebRoot, server, username, ca } = this.#options
    const root = dicomWebRoot.replace(/^\/*/, '/').replace(/(?<!\/)\/*$/, '/')
    return [
      'curl',
      ...(ca === null ? [] : ['--cacert', quoted(ca)]),
      // It asks for the password.
      ...(username === null ? [] : ['--user', quoted(username)]),
      '-X',
      'POST',
      quoted(`${url}${root}servers/${encodeURIComponent(server)}/${operation}`),
      '-d',
      quoted(JSON.stringify({ Resources: resources, Synchronous: false, Asynchronous: true })),
    ].join(' ')
  }
}

function remote({ study, series, instance }: RemoteResource): Record<string, string> {
  return { Study: study, ...(series && { Series: series }), ...(instance && { Instance: instance }) }
}

function inBatches<Item>(items: readonly Item[]): Item[][] {
  const batches: Item[][] = []
  for (let at = 0; at < items.length; at += maxResources) batches.push(items.slice(at, at + maxResources))
  return batches
}

/** For a shell: much of it comes from outside. */
function quoted(text: string): string {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/**
 * The name of Orthanc's DICOMweb server that leads to the account: the given one, or the one whose
 * Url says so. Null if there is none.
 */
export async function serverFor(
  settings: Settings,
  account: AccountSettings,
  target: Target,
  given: string | undefined,
): Promise<string | null> {
  const entries = await entriesOf(target.rest)
  if (given === undefined) return serverIn(entries, settings, account, target)
  if (Object.hasOwn(entries, given)) return given
  const names = Object.keys(entries).join(', ') || 'none'
  throw new CommandFailure(`Orthanc has no DICOMweb server ${given}. It has: ${names}.`, exitCode.usage)
}

async function entriesOf(rest: OrthancRest): Promise<Readonly<Record<string, SeenEntry>>> {
  try {
    return await rest.serverEntries()
  } catch (error) {
    // Without the plugin there is nothing to send with, but still something to compare.
    if (error instanceof OrthancError && (error.status === 404 || error.code === 'plugin-old')) return {}
    throw error
  }
}

function serverIn(
  entries: Readonly<Record<string, SeenEntry>>,
  settings: Settings,
  account: AccountSettings,
  target: Target,
): string | null {
  const { localPath } = dicomStoreOf(account, settings.baseUrl)
  const url = urlOf(settings, target, localPath)
  // At which host Orthanc reaches the proxy isn't known everywhere: then its name must do.
  const own = entries[account.name]
  if (own && (url === null ? leadsTo(own, localPath) : isSameUrl(own.Url, url))) return account.name
  const [other] = Object.entries(entries).find(([, { Url }]) => url !== null && isSameUrl(Url, url)) ?? []
  if (other !== undefined) return other
  return own && leadsTo(own, localPath) ? account.name : null
}

function leadsTo({ Url }: SeenEntry, localPath: string): boolean {
  const path = URL.parse(String(Url))?.pathname ?? ''
  return path.replace(/(?<!\/)\/*$/, '/').endsWith(localPath)
}

function urlOf(settings: Settings, { url, proxyUrl }: Target, localPath: string): string | null {
  try {
    return `${proxyUrlFor(settings, url, proxyUrl)}${localPath}`
  } catch (error) {
    if (error instanceof CommandFailure) return null
    throw error
  }
}
