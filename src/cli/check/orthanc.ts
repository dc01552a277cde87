import type { Settings } from '../../config/settings.ts'
import { DiagnosedError } from '../../errors.ts'
import { httpTimeoutSeconds } from '../../orthanc/http-timeout.ts'
import { OrthancError } from '../../orthanc/orthanc-error.ts'
import type { OrthancRest } from '../../orthanc/orthanc-rest.ts'
import {
  type DesiredEntry,
  isSameUrl,
  ownLogin,
  retrievesUnchanged,
  type SeenEntry,
  sendsChunked,
} from '../../orthanc/server-entry.ts'
import { shownUrl } from '../../orthanc/shown-url.ts'
import { searchThrough } from '../orthanc/search-through.ts'
import { type Checklist, Skipped } from './checklist.ts'

interface OrthancContext {
  readonly settings: Settings
  readonly rest: OrthancRest
  readonly desired: ReadonlyMap<string, DesiredEntry>
  /** The command that repairs an entry. */
  readonly registerCommand: string
}

/**
 * Orthanc's side: whether it is there, and would send to the proxy as it should. Resolves with
 * whether a search through each entry succeeded.
 */
export async function checkOrthanc(list: Checklist, context: OrthancContext): Promise<boolean> {
  const { rest, desired } = context
  const item = (title: string) => ({ layer: 'orthanc' as const, subject: rest.url, title })
  let orthancVersion: unknown
  const system = async () => {
    orthancVersion = (await rest.system()).Version
    return `version ${orthancVersion}`
  }
  if (!(await list.check(item('Orthanc'), system))) return false
  const version = async () => `version ${await rest.dicomWebVersion()}`
  if (!(await list.check(item('DICOMweb plugin'), version))) return false
  let seen: Readonly<Record<string, SeenEntry>> = {}
  const shown = await list.check(item('DICOMweb servers'), async () => {
    seen = await rest.serverEntries().catch((error) => Promise.reject(atOtherRoot(error)))
    return Object.keys(seen).join(', ') || 'none'
  })
  if (!shown) return false
  let works = true
  for (const [name, entry] of desired)
    works = (await checkEntry(list, { ...context, orthancVersion, name, entry, seen: seen[name] })) && works
  await list.check(item('Stopped uploads'), () => stoppedUploads(context))
  return works
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
  readonly orthancVersion: unknown
  readonly name: string
  readonly entry: DesiredEntry
  readonly seen: SeenEntry | undefined
}

/** Whether a search through it succeeded. */
async function checkEntry(list: Checklist, context: EntryContext): Promise<boolean> {
  const { name, settings } = context
  const item = (title: string) => ({ layer: 'orthanc' as const, subject: name, title })
  const found = await list.check(item(`Server ${name}`), () => serverOf(context))
  if (!found) return false
  await list.check(item(`Time limit of ${name}`), () => timeLimit(context))
  await list.check(item(`Chunked transfers of ${name}`), () => chunked(context))
  await list.check(item(`Retrieval through ${name}`), () => retrieval(context))
  const login = settings.clients === null || (await list.check(item(`Login of ${name}`), () => loginOf(context)))
  const search = item('Search through Orthanc')
  if (login) return list.check(search, () => searchThrough(context))
  await list.skip(search, 'needs the login')
  return false
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
  const problem = `Its Url is ${shownUrl(seen.Url)}, but the proxy is at ${entry.url}.`
  throw new DiagnosedError({
    code: 'server-url',
    problem,
    remedy: `Register it again: ${registerCommand}. If Orthanc reaches the proxy at another host, set PublicUrl in the configuration, or --proxy-url.`,
  })
}

function timeLimit({ entry, seen = {}, settings, orthancVersion, registerCommand }: EntryContext): string {
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
  const general = httpTimeoutSeconds(httpTimeout, orthancVersion)
  if (general === Number.POSITIVE_INFINITY) return "none: Orthanc's HttpTimeout is 0"
  if (general >= entry.timeout) return `${general} s for one transfer, by Orthanc's HttpTimeout`
  const limit = httpTimeout ? `${general} s` : `${general} s ${httpTimeout === 0 ? 'if it is 0' : 'by default'}`
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

function retrieval({ seen = {}, registerCommand }: EntryContext): string {
  if (retrievesUnchanged(seen)) return 'Orthanc asks for images as they are stored'
  throw new DiagnosedError({
    code: 'retrieval-decompressed',
    problem:
      'HasWadoRsUniversalTransferSyntax is off: Orthanc accepts any transfer syntax, and Google then decompresses the images.',
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

const cancelledJob = 37

/**
 * Orthanc ends the upload of a job that somebody pauses or cancels as if it were whole: neither the
 * proxy nor Google can see that instances are missing. No failure, since somebody wanted it.
 */
async function stoppedUploads({ rest, desired }: OrthancContext): Promise<string> {
  const jobs = await rest.jobs().catch((error: Error) => {
    throw new Skipped(`the list of jobs can't be read: ${error.message}`)
  })
  const uploads = jobs.filter(({ Type, Content }) => {
    // Old plugins don't say where a job sends to.
    const { Server = null } = (Content ?? {}) as { readonly Server?: unknown }
    return Type === 'DicomWebStowClient' && (Server === null || desired.has(String(Server)))
  })
  const paused = uploads.filter(({ State }) => State === 'Paused').length
  const cancelled = uploads.filter(({ ErrorCode }) => ErrorCode === cancelledJob).length
  if (paused + cancelled === 0) return 'none in the list of jobs'
  return `${paused} paused, ${cancelled} cancelled (${rest.url}/jobs?expand): what they had sent is stored and looks complete, but it is not. Resume them, or send the studies again.`
}
