import { once } from 'node:events'
import { connect } from 'node:net'
import type { Settings } from '../../config/settings.ts'
import { OrthancError } from '../../orthanc/orthanc-error.ts'
import type { OrthancRest } from '../../orthanc/orthanc-rest.ts'
import { type DesiredEntry, isSameUrl, type SeenEntry, sendsChunked } from '../../orthanc/server-entry.ts'
import { orthancTrouble } from '../orthanc/orthanc-trouble.ts'
import type { Checklist } from './checklist.ts'
import { Skipped, Trouble } from './trouble.ts'

interface OrthancContext {
  readonly settings: Settings
  readonly rest: OrthancRest
  readonly wanted: ReadonlyMap<string, DesiredEntry>
  /** Ends the remedies that `register` is. */
  readonly registerCommand: string
}

/** Orthanc's side: is it there, and would it send to the proxy as it should? */
export async function checkOrthanc(list: Checklist, context: OrthancContext): Promise<void> {
  const { rest, wanted } = context
  const item = (title: string) => ({ layer: 'orthanc' as const, subject: rest.url, title })
  const asked = <T>(work: () => Promise<T>) => work().catch((error) => Promise.reject(orthancTrouble(error, rest.url)))
  if (!(await list.check(item('Orthanc answers'), async () => `Orthanc ${(await asked(() => rest.system())).Version}`)))
    return
  if (!(await list.check(item('DICOMweb plugin'), () => pluginVersion(rest)))) return
  let seen: Readonly<Record<string, SeenEntry>> = {}
  const shown = await list.check(item('DICOMweb servers'), async () => {
    seen = await rest.serverEntries().catch((error) => Promise.reject(rootTrouble(error, rest.url)))
    return Object.keys(seen).join(', ') || 'none'
  })
  if (!shown) return
  for (const [name, entry] of wanted) await checkEntry(list, { ...context, name, entry, seen: seen[name] })
}

async function pluginVersion(rest: OrthancRest): Promise<string> {
  try {
    return `version ${await rest.dicomWebVersion()}`
  } catch (error) {
    if (!(error instanceof OrthancError && error.status === 404)) throw orthancTrouble(error, rest.url)
    const remedy =
      'Install it (Debian: apt install orthanc-dicomweb), and name it in "Plugins" of Orthanc\'s configuration.'
    throw new Trouble('no-plugin', 'Orthanc runs without its DICOMweb plugin.', remedy, { cause: error })
  }
}

function rootTrouble(error: unknown, url: string): Trouble {
  if (!(error instanceof OrthancError && error.status === 404)) return orthancTrouble(error, url)
  const why = 'The DICOMweb plugin does not answer at its usual place.'
  return new Trouble(
    'dicomweb-root',
    why,
    "Put the DicomWeb.Root of Orthanc's configuration into this one, or name Orthanc's own file by --config.",
    { cause: error },
  )
}

interface EntryContext extends OrthancContext {
  readonly name: string
  readonly entry: DesiredEntry
  readonly seen: SeenEntry | undefined
}

async function checkEntry(list: Checklist, context: EntryContext): Promise<void> {
  const { name, settings } = context
  const item = (title: string) => ({ layer: 'orthanc' as const, subject: name, title })
  const found = await list.check(item(`Server ${name}`), () => serverOf(context))
  if (!found) return
  await list.check(item(`Time limit of ${name}`), () => timeLimit(context))
  await list.check(item(`Chunked transfers of ${name}`), () => chunked(context))
  const login = settings.clients === null || (await list.check(item(`Login of ${name}`), () => loginOf(context)))
  if (login) await list.check(item(`Search through Orthanc`), () => searchThrough(context))
  else await list.skip(item(`Search through Orthanc`), 'needs the login')
}

function serverOf({ name, entry, seen, registerCommand }: EntryContext): string {
  if (!seen) {
    throw new Trouble(
      'server-missing',
      `Orthanc has no DICOMweb server ${name}.`,
      `${registerCommand} (or --print, for orthanc.json)`,
    )
  }
  if (isSameUrl(seen.Url, entry.url)) return entry.url
  throw new Trouble('server-url', `Its Url is ${String(seen.Url)}, and the proxy is at ${entry.url}.`, registerCommand)
}

/** Seconds of Orthanc's HttpTimeout unless it is set. */
const orthancDefault = 60

function timeLimit({ entry, seen = {}, settings, registerCommand }: EntryContext): string {
  const own = Number(seen.Timeout ?? 0)
  const { httpTimeout } = settings.orthanc
  if (own >= entry.timeout) return `${own} s for one transfer`
  const size = 'of a study over a slow line'
  if (own > 0) {
    throw new Trouble(
      'timeout-short',
      `Its Timeout ends every transfer after ${own} s, also that ${size}.`,
      `${registerCommand} (sets it to ${entry.timeout})`,
    )
  }
  const general = (httpTimeout ?? 0) / 1000
  if (general >= entry.timeout) return `${general} s for one transfer, by Orthanc's HttpTimeout`
  const which =
    general > 0
      ? `Orthanc's HttpTimeout, ${general} s,`
      : `Orthanc's HttpTimeout, ${orthancDefault} s unless it was raised,`
  throw new Trouble(
    'http-timeout-short',
    `It has no Timeout, so ${which} ends every transfer, also that ${size}.`,
    `${registerCommand} (sets Timeout to ${entry.timeout}), or "HttpTimeout": ${entry.timeout} in Orthanc's configuration`,
  )
}

function chunked({ seen = {}, registerCommand }: EntryContext): string {
  if (sendsChunked(seen)) return 'Orthanc streams what it sends'
  throw new Trouble(
    'chunked-off',
    'ChunkedTransfers is off: Orthanc puts a whole study together in memory before it sends it.',
    registerCommand,
  )
}

function loginOf({ seen = {}, registerCommand }: EntryContext): string {
  if (typeof seen.Username === 'string' && seen.Username !== '') return `as ${seen.Username}`
  if (typeof seen.CertificateFile === 'string' && seen.CertificateFile !== '') return 'by client certificate'
  throw new Trouble(
    'login-missing',
    'The proxy wants its clients to log in, and this entry has neither Username nor CertificateFile.',
    `${registerCommand} --client NAME`,
  )
}

async function searchThrough({ name, rest, entry, settings }: EntryContext): Promise<string> {
  const access = settings.accounts.find((account) => account.name === name)?.access ?? []
  if (!access.includes('QIDO-RS')) throw new Skipped('QIDO-RS is not in Access')
  if (!(await listens(new URL(entry.url))))
    throw new Skipped(`the proxy does not run at ${new URL(entry.url).origin}, seen from here`)
  try {
    await rest.qido(name, '/studies', { limit: '1' })
    return 'Orthanc searches the store through the proxy'
  } catch (error) {
    if (!(error instanceof OrthancError) || error.status === 0) throw orthancTrouble(error, rest.url)
    const refused = /credentials/i.test(error.details)
    const why = `Orthanc can't search through the proxy: ${error.details || `status ${error.status}`}.`
    const remedy = refused
      ? "The proxy or Google refuses: the proxy's log says which. If it is the login: gcp-dicomweb-proxy register --client NAME"
      : "Orthanc tells no more: the reason is in the proxy's log (curl http://127.0.0.1:8044/api/status has it, too)."
    throw new Trouble(refused ? 'through-refused' : 'through-failed', why, remedy, { cause: error })
  }
}

/** Milliseconds. */
const patience = 3_000

async function listens(url: URL): Promise<boolean> {
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  const socket = connect({ host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(patience) })
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
