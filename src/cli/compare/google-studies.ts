import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { AccountSettings } from '../../config/settings.ts'
import { DiagnosedError, type Diagnosis } from '../../errors.ts'
import { invocation } from '../../invocation.ts'
import { networkFailureOf } from '../../network-failure.ts'
import { redactMessage } from '../../server/redact-message.ts'
import { googleErrorIn } from '../../stores/google-error.ts'
import { diagnoseGoogleRefusal } from '../../stores/google-refusal.ts'
import { jsonOf, type Row, rowsOf, textOf } from '../conformance/outcome.ts'
import type { StoreClient, StoreResponse } from '../conformance/store-client.ts'
import type { Since } from './since.ts'

const STUDY_UID = '0020000D'
const SERIES_UID = '0020000E'
const SOP_UID = '00080018'

/** Rows of one search: some hundred bytes each, so that a response has less than a MiB. */
const maxRows = 1_000
/** Of a search that gets no response. */
const maxAttempts = 3
const retryDelayMs = 500
/** Google takes no larger one. */
const maxOffset = 1_000_000

export interface GoogleStudy {
  /** UIDs of instances, by the UID of their series. */
  readonly series: ReadonlyMap<string, ReadonlySet<string>>
  /**
   * Whether it took several searches: an instance that came or went between them may have shifted
   * others.
   */
  readonly paged: boolean
}

/** Google's side of the comparison: searches only. */
export class GoogleStudies {
  readonly #client: Pick<StoreClient, 'send'>
  readonly #account: AccountSettings
  readonly #signal: AbortSignal
  readonly #maxRows: number
  readonly #maxOffset: number
  /** That they can be asked to isn't documented. */
  #rowsNameSeries = true

  constructor(
    client: Pick<StoreClient, 'send'>,
    account: AccountSettings,
    signal: AbortSignal,
    bounds = { maxRows, maxOffset },
  ) {
    this.#client = client
    this.#account = account
    this.#signal = signal
    this.#maxRows = bounds.maxRows
    this.#maxOffset = bounds.maxOffset
  }

  /** The UIDs of all studies, or of those with a study date since then, page by page. */
  async *studyUids(since: Since | null): AsyncGenerator<readonly string[]> {
    // Whether Google takes a range without an end isn't documented.
    const query = since ? `?StudyDate=${since.studyDate}-99991231` : '?'
    for await (const rows of this.#pages(`studies${query}`))
      yield rows.map((row) => textOf(row, STUDY_UID)).filter((uid) => uid !== '')
  }

  /** All that the store has of a study: no series if it has nothing. */
  async study(uid: string): Promise<GoogleStudy> {
    // Below `studies/UID`, the response for a study that isn't there is unknown.
    const search = `instances?StudyInstanceUID=${encodeURIComponent(uid)}`
    const study = this.#rowsNameSeries ? await this.#atOnce(search) : null
    if (study) return study
    const series = await this.#bySeries(uid, search)
    // Not if this study is refused either way: other UIDs are valid.
    this.#rowsNameSeries = false
    return { series, paged: true }
  }

  /** Null if rows of instances don't name their series, or can't be asked to. */
  async #atOnce(search: string): Promise<GoogleStudy | null> {
    const series = new Map<string, Set<string>>()
    let pages = 0
    try {
      for await (const rows of this.#pages(`${search}&includefield=SeriesInstanceUID`)) {
        pages++
        for (const row of rows) add(series, textOf(row, SERIES_UID), textOf(row, SOP_UID))
      }
    } catch (error) {
      if (error instanceof SearchRefused && error.status === 400) return null
      throw error
    }
    return series.has('') ? null : { series, paged: pages > 1 }
  }

  /** Whether the store has an instance in this series. */
  async hasInstance(study: string, series: string, uid: string): Promise<boolean> {
    const keys = { StudyInstanceUID: study, SeriesInstanceUID: series, SOPInstanceUID: uid }
    const query = Object.entries(keys).map(([key, value]) => `${key}=${encodeURIComponent(value)}`)
    return (await this.#search(`instances?${query.join('&')}&limit=1`)).length > 0
  }

  async #bySeries(study: string, search: string): Promise<Map<string, Set<string>>> {
    const content = new Map<string, Set<string>>()
    for await (const rows of this.#pages(`series?StudyInstanceUID=${encodeURIComponent(study)}`)) {
      for (const series of rows.map((row) => textOf(row, SERIES_UID))) {
        for await (const instances of this.#pages(`${search}&SeriesInstanceUID=${encodeURIComponent(series)}`))
          for (const row of instances) add(content, series, textOf(row, SOP_UID))
      }
    }
    return content
  }

  async *#pages(path: string): AsyncGenerator<readonly Row[]> {
    const separator = path.endsWith('?') ? '' : '&'
    let before: readonly Row[] = []
    for (let offset = 0; offset <= this.#maxOffset; offset += before.length) {
      const rows = await this.#search(`${path}${separator}limit=${this.#maxRows}&offset=${offset}`)
      // A page that is short is not known to be the last one (docs/adr/0035).
      if (rows.length === 0) return
      if (isDeepStrictEqual(rows, before)) throw samePage()
      yield rows
      before = rows
    }
    throw new DiagnosedError({
      code: 'too-many-studies',
      problem: `Google's searches end after ${this.#maxOffset} results, and there may be more.`,
      remedy: 'Compare less at once, with --since.',
    })
  }

  async #search(path: string): Promise<readonly Row[]> {
    const response = await this.#respond(path)
    if (response.status === 204) return []
    const rows = response.status === 200 ? rowsOf(response) : null
    if (rows) return rows
    throw refusal(this.#account, response, path)
  }

  async #respond(path: string, attempts = 1): Promise<StoreResponse> {
    try {
      return await this.#client.send({ path, headers: { accept: 'application/dicom+json' } }, this.#signal)
    } catch (cause) {
      this.#signal.throwIfAborted()
      // In thousands of searches, some connection breaks. A token's failure was repeated already.
      if (!(cause instanceof DiagnosedError) && !isTimeout(cause) && attempts < maxAttempts) {
        await delay(retryDelayMs, undefined, { signal: this.#signal })
        return this.#respond(path, attempts + 1)
      }
      // A token that could not be renewed says so itself.
      if (cause instanceof DiagnosedError) throw cause
      const { code, problem: what, remedy } = networkFailureOf(cause)
      const problem = `Google did not respond: ${what}${code ? ` (${code})` : ''}.`
      throw new DiagnosedError({ code: 'no-response', problem, remedy }, { cause })
    }
  }
}

class SearchRefused extends DiagnosedError {
  readonly status: number

  constructor(diagnosis: Diagnosis, status: number) {
    super(diagnosis)
    this.status = status
  }
}

function add(content: Map<string, Set<string>>, series: string, instance: string): void {
  const instances = content.get(series) ?? new Set()
  content.set(series, instances.add(instance))
}

function isTimeout(cause: unknown): boolean {
  return cause instanceof DOMException && cause.name === 'TimeoutError'
}

/** It would never end. */
function samePage(): DiagnosedError {
  const problem = "Google's search returns the same page again."
  return new DiagnosedError({ code: 'search-refused', problem, remedy: 'Try again. If it stays so, report this.' })
}

function refusal(account: AccountSettings, response: StoreResponse, path: string): DiagnosedError {
  const { status } = response
  if (status === 200) {
    const problem = "Google's response to a search is not DICOM JSON."
    return new DiagnosedError({
      code: 'search-refused',
      problem,
      remedy: `Run "${invocation} check". If it succeeds, report this.`,
    })
  }
  const { message = '', reason = '', project = '' } = googleErrorIn(jsonOf(response)) ?? {}
  const redacted = redactMessage(message, status, path)
  const refusal = { status, requested: 'QIDO-RS', reason, project, message: redacted, account } as const
  return new SearchRefused(diagnoseGoogleRefusal(refusal), status)
}
