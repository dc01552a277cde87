import type { Settings } from '../../config/settings.ts'
import { DiagnosedError } from '../../errors.ts'
import { OrthancError } from '../../orthanc/orthanc-error.ts'
import type { OrthancRest } from '../../orthanc/orthanc-rest.ts'
import { type DesiredEntry, isSameUrl, ownLogin, type SeenEntry, sendsChunked } from '../../orthanc/server-entry.ts'
import { searchThrough } from '../orthanc/search-through.ts'
import type { Checklist } from './checklist.ts'

interface OrthancContext {
  readonly settings: Settings
  readonly rest: OrthancRest
  readonly desired: ReadonlyMap<string, DesiredEntry>
  /** The command that repairs an entry. */
  readonly registerCommand: string
}

/** Orthanc's side: whether it is there, and would send to the proxy as it should. */
export async function checkOrthanc(list: Checklist, context: OrthancContext): Promise<void> {
  const { rest, desired } = context
  const item = (title: string) => ({ layer: 'orthanc' as const, subject: rest.url, title })
  if (!(await list.check(item('Orthanc'), async () => `version ${(await rest.system()).Version}`))) return
  const version = async () => `version ${await rest.dicomWebVersion()}`
  if (!(await list.check(item('DICOMweb plugin'), version))) return
  let seen: Readonly<Record<string, SeenEntry>> = {}
  const shown = await list.check(item('DICOMweb servers'), async () => {
    seen = await rest.serverEntries().catch((error) => Promise.reject(atOtherRoot(error)))
    return Object.keys(seen).join(', ') || 'none'
  })
  if (!shown) return
  for (const [name, entry] of desired) await checkEntry(list, { ...context, name, entry, seen: seen[name] })
}

/** The plugin is there: a 404 is for its path. */
function atOtherRoot(error: unknown): unknown {
  if (!(error instanceof OrthancError && error.status === 404)) return error
  return new DiagnosedError(
    {
      code: 'dicomweb-root',
      problem: 'The DICOMweb plugin does not respond at its default path.',
      remedy:
        "Put the DicomWeb.Root of Orthanc's configuration into this one, or name Orthanc's own file with --config.",
    },
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
  if (login) await list.check(item('Search through Orthanc'), () => searchThrough(context))
  else await list.skip(item('Search through Orthanc'), 'needs the login')
}

function serverOf({ name, entry, seen, registerCommand }: EntryContext): string {
  if (!seen) {
    throw new DiagnosedError({
      code: 'server-missing',
      problem: `Orthanc has no DICOMweb server ${name}.`,
      remedy: `Register it: ${registerCommand} (or --print, for orthanc.json)`,
    })
  }
  if (isSameUrl(seen.Url, entry.url)) return entry.url
  const problem = `Its Url is ${String(seen.Url)}, but the proxy is at ${entry.url}.`
  throw new DiagnosedError({ code: 'server-url', problem, remedy: `Register it again: ${registerCommand}` })
}

/** Seconds of Orthanc's HttpTimeout, unless it is set. */
const defaultHttpTimeout = 60

function timeLimit({ entry, seen = {}, settings, registerCommand }: EntryContext): string {
  const own = Number(seen.Timeout ?? 0)
  const { httpTimeout } = settings.orthanc
  if (own >= entry.timeout) return `${own} s for one transfer`
  const even = 'even that of a study over a slow line'
  if (own > 0) {
    throw new DiagnosedError({
      code: 'timeout-short',
      problem: `Its Timeout ends every transfer after ${own} s, ${even}.`,
      remedy: `Register it again: ${registerCommand} (sets Timeout to ${entry.timeout})`,
    })
  }
  const general = (httpTimeout ?? 0) / 1000
  if (general >= entry.timeout) return `${general} s for one transfer, by Orthanc's HttpTimeout`
  const limit = general > 0 ? `${general} s` : `${defaultHttpTimeout} s by default`
  throw new DiagnosedError({
    code: 'http-timeout-short',
    problem: `It has no Timeout, so Orthanc's HttpTimeout (${limit}) ends every transfer, ${even}.`,
    remedy: `Register it again: ${registerCommand} (sets Timeout to ${entry.timeout}), or set "HttpTimeout": ${entry.timeout} in Orthanc's configuration`,
  })
}

function chunked({ seen = {}, registerCommand }: EntryContext): string {
  if (sendsChunked(seen)) return 'Orthanc streams what it sends'
  throw new DiagnosedError({
    code: 'chunked-off',
    problem: 'ChunkedTransfers is off: Orthanc holds a whole study in memory before it sends it.',
    remedy: `Register it again: ${registerCommand}`,
  })
}

function loginOf({ seen = {}, registerCommand }: EntryContext): string {
  const login = ownLogin(seen)
  if (login !== null) return login
  throw new DiagnosedError({
    code: 'login-missing',
    problem: 'The proxy requires its clients to log in, and this entry has neither Username nor CertificateFile.',
    remedy: `Register it with a login: ${registerCommand} --client NAME`,
  })
}
