import { ProxyError } from '../../errors.ts'
import { type ComputedDetails, parseRow, type SeriesSummary } from './computed-details.ts'
import type { RowReader } from './page-sender.ts'
import { matchesRow } from './row-matching.ts'
import { withAttributes } from './row-members.ts'
import type { SearchParts } from './search-parts.ts'
import type { CompletedSearch } from './search-plan.ts'
import { matchesKey } from './value-matching.ts'

/** Rows of the first page at Google. Each next one has twice as many: matches may come early. */
const firstPageSize = 500
/** Google's maximum for studies and series. */
const maxPageSize = 5_000
/** Bytes of the rows that a search holds until it is certain. */
const maxHeldBytes = 16 * 1024 * 1024
/** What a row costs beside its bytes. */
const rowOverheadBytes = 200

/** A match that is held. */
interface Match {
  /** As Google wrote it. */
  readonly bytes: Buffer
  readonly series: SeriesSummary | null
}

interface Limits {
  readonly maxRows: number
  readonly maxParallel: number
}

/**
 * The rows of one completed search. All of them are held until it is certain that they are all: a
 * search whose bounds end it is refused, and never looks whole (docs/adr/0035).
 */
export class CompletedRows {
  readonly #search: CompletedSearch
  readonly #parts: SearchParts
  readonly #details: ComputedDetails
  readonly #limits: Limits
  readonly #held: Match[] = []
  #heldBytes = 0
  #skipped = 0
  /** Rows of Google's that were read. */
  rowsRead = 0

  constructor(search: CompletedSearch, parts: SearchParts, details: ComputedDetails, limits: Limits) {
    this.#search = search
    this.#parts = parts
    this.#details = details
    this.#limits = limits
  }

  /**
   * The rows that the client asked for, whole. Throws a ProxyError `search-too-broad` if a bound is
   * reached before.
   */
  async read(): Promise<Buffer[]> {
    const { details } = this.#search
    if (this.#isGooglesOwn) await this.#readGooglesOwn()
    else for (const alternative of this.#search.alternatives) await this.#readAll(alternative)
    if (details.size === 0) return this.#held.map(({ bytes }) => bytes)
    return this.#inParallel(this.#held, async ({ bytes, series }) => {
      return withAttributes(bytes, await this.#details.attributesOf(parseRow(bytes), details, series))
    })
  }

  /** Google does the matching, and so limit and offset are for it. */
  get #isGooglesOwn(): boolean {
    const { keys, modalities, alternatives } = this.#search
    return keys === null && modalities.length === 0 && alternatives.every((alternative) => alternative === '')
  }

  async #readGooglesOwn(): Promise<void> {
    const { limit, offset } = this.#search
    if (limit === null) {
      await this.#readPage('', offset, null)
      return
    }
    while (!this.#isEnough) {
      const rows = await this.#readPage('', offset + this.rowsRead, Math.min(limit - this.rowsRead, maxPageSize))
      if (rows === 0) return
    }
  }

  /** Until a page is empty: that one has fewer rows than it was asked for does not say so. */
  async #readAll(alternative: string): Promise<void> {
    let size = firstPageSize
    for (let offset = 0; !this.#isEnough; size = Math.min(size * 2, maxPageSize)) {
      const rows = await this.#readPage(alternative, offset, size)
      if (rows === 0 || this.#search.isUnique) return
      offset += rows
    }
  }

  get #isEnough(): boolean {
    const { limit } = this.#search
    return limit !== null && this.#held.length >= limit
  }

  /** @returns how many rows Google returned, as far as they were needed */
  async #readPage(alternative: string, offset: number, size: number | null): Promise<number> {
    const { path, parameters, limit, modalities } = this.#search
    // One more than is read at the most shows whether there are more.
    const bounded = size === null ? null : Math.min(size, this.#limits.maxRows + 1 - this.rowsRead)
    const query = [
      ...parameters,
      alternative,
      bounded === null ? '' : `limit=${bounded}`,
      offset === 0 ? '' : `offset=${offset}`,
    ]
    const room = modalities.length > 0 ? null : limit === null ? null : limit - this.#held.length + this.#toSkip
    let page = new Page(this, room)
    try {
      await this.#parts.search(pathWith(path, query), () => {
        page = new Page(this, room)
        return page
      })
    } finally {
      this.rowsRead += page.rows
    }
    if (modalities.length > 0) await this.#holdByModality(page.matches)
    else for (const bytes of page.matches) this.#hold({ bytes, series: null })
    return page.rows
  }

  /** How many of the next matches are before the client's offset. */
  get #toSkip(): number {
    return this.#isGooglesOwn ? 0 : this.#search.offset - this.#skipped
  }

  #hold(match: Match): void {
    if (this.#isEnough) return
    if (this.#toSkip > 0) {
      this.#skipped += 1
      return
    }
    this.#heldBytes += match.bytes.length + rowOverheadBytes
    this.#held.push(match)
  }

  /** Whether a row's own attributes match. Throws for what is no JSON. */
  matches(row: Buffer): boolean {
    const { keys } = this.#search
    const parsed = parseRow(row)
    return keys === null || matchesRow(parsed, keys)
  }

  /** At each row: a page may be longer than was asked for. */
  checkRead(more: number): void {
    const { maxRows } = this.#limits
    if (this.rowsRead + more > maxRows) throw tooBroad(`it reads more than ${maxRows} rows (MaxRows)`)
  }

  checkHeld(more: number): void {
    if (this.#heldBytes + more > maxHeldBytes) throw tooBroad('its rows are larger than 16 MiB')
  }

  /**
   * A request for each study that matches otherwise: rows of series don't say which study they are
   * of. In the order of the rows, and no further than the client's limit.
   */
  async #holdByModality(candidates: readonly Buffer[]): Promise<void> {
    const { maxParallel } = this.#limits
    for (let at = 0; at < candidates.length && !this.#isEnough; at += maxParallel) {
      const some = candidates.slice(at, at + maxParallel)
      const found = await Promise.all(some.map(async (bytes) => this.#details.seriesOf(parseRow(bytes))))
      found.forEach((series, index) => {
        const bytes = some[index]
        if (bytes && this.#hasModalities(series)) this.#hold({ bytes, series })
      })
    }
  }

  #hasModalities({ modalities }: SeriesSummary): boolean {
    const attribute = { vr: 'CS', Value: modalities }
    return this.#search.modalities.every((key) => matchesKey(attribute, key))
  }

  /** In the order of the items. The first failure ends it. */
  async #inParallel<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
    const results: Result[] = []
    const left = items.entries()
    const worker = async () => {
      for (const [at, item] of left) results[at] = await work(item)
    }
    await Promise.all(Array.from({ length: this.#limits.maxParallel }, worker))
    return results
  }
}

/** Empty parameters are left out. */
function pathWith(path: string, parameters: readonly string[]): string {
  const query = parameters.filter((parameter) => parameter !== '').join('&')
  return query === '' ? path : `${path}?${query}`
}

/** One page, as one attempt reads it. */
class Page implements RowReader {
  readonly #rows: CompletedRows
  /** Null: all matches. */
  readonly #room: number | null
  readonly matches: Buffer[] = []
  rows = 0
  #bytes = 0

  constructor(rows: CompletedRows, room: number | null) {
    this.#rows = rows
    this.#room = room
  }

  onRow(row: Buffer): boolean {
    this.rows += 1
    this.#rows.checkRead(this.rows)
    if (!this.#rows.matches(row)) return true
    this.#bytes += row.length + rowOverheadBytes
    this.#rows.checkHeld(this.#bytes)
    // Copied, because the row is a part of all that came with it.
    this.matches.push(Buffer.from(row))
    return this.#room === null || this.matches.length < this.#room
  }
}

/** @param bound completes "…, because" */
export function tooBroad(bound: string): ProxyError {
  const problem = `Google can't do this search by itself, and the proxy can't complete it, because ${bound}.`
  const remedy =
    "Narrow it by a StudyDate, a PatientID or an AccessionNumber without wildcards, or send a smaller limit; or raise the account's SearchCompletion in the configuration."
  return new ProxyError('search-too-broad', { problem, remedy })
}
