import { ProxyError } from '../../errors.ts'
import type { Row } from './row-matching.ts'
import type { SearchParts } from './search-parts.ts'
import type { Detail } from './search-plan.ts'
import type { JsonAttribute } from './value-matching.ts'

const studyInstanceUid = '0020000D'
const seriesInstanceUid = '0020000E'
const modality = '00080060'

const tags: Readonly<Record<Detail, string>> = {
  ModalitiesInStudy: '00080061',
  NumberOfStudyRelatedSeries: '00201206',
  NumberOfStudyRelatedInstances: '00201208',
  NumberOfSeriesRelatedInstances: '00201209',
}

/** Rows of one request: Google's maximum. */
const maxSeries = 5_000
const maxInstances = 50_000

/** What the series of a study say of it. */
export interface SeriesSummary {
  readonly count: number
  /** In ascending order. */
  readonly modalities: readonly string[]
}

/** Computes attributes of studies and series that Google does not return, by further searches. */
export class ComputedDetails {
  readonly #parts: SearchParts
  /** Path of the store's `dicomWeb`. */
  readonly #root: string
  /** Of the study in the search's own path, as rows of series don't name theirs. */
  readonly #study: string | null

  constructor(parts: SearchParts, root: string, study: string | null) {
    this.#parts = parts
    this.#root = root
    this.#study = study
  }

  async seriesOf(row: Row): Promise<SeriesSummary> {
    const modalities = new Set<string>()
    const path = `${this.#root}/studies/${uidIn(row, studyInstanceUid)}/series`
    const count = await this.#count(path, maxSeries, (series) => {
      for (const value of series[modality]?.Value ?? []) if (typeof value === 'string') modalities.add(value)
    })
    return { count, modalities: [...modalities].sort() }
  }

  /** @param series if it is known already */
  async attributesOf(
    row: Row,
    details: ReadonlySet<Detail>,
    series: SeriesSummary | null,
  ): Promise<Record<string, JsonAttribute>> {
    const found: Record<string, JsonAttribute> = {}
    if (details.has('ModalitiesInStudy') || details.has('NumberOfStudyRelatedSeries')) {
      const { count, modalities } = series ?? (await this.seriesOf(row))
      if (details.has('ModalitiesInStudy')) found[tags.ModalitiesInStudy] = codes(modalities)
      if (details.has('NumberOfStudyRelatedSeries')) found[tags.NumberOfStudyRelatedSeries] = integer(count)
    }
    if (details.has('NumberOfStudyRelatedInstances')) {
      const path = `${this.#root}/studies/${uidIn(row, studyInstanceUid)}/instances`
      found[tags.NumberOfStudyRelatedInstances] = integer(await this.#count(path, maxInstances, null))
    }
    if (details.has('NumberOfSeriesRelatedInstances')) {
      const study = this.#study === null ? '' : `/studies/${this.#study}`
      const path = `${this.#root}${study}/series/${uidIn(row, seriesInstanceUid)}/instances`
      found[tags.NumberOfSeriesRelatedInstances] = integer(await this.#count(path, maxInstances, null))
    }
    return found
  }

  /** How many rows a search has: it has ended where a page is empty, and not where one is short. */
  async #count(path: string, size: number, onRow: ((row: Row) => void) | null): Promise<number> {
    let before: CountedPage = { count: 0, first: null }
    for (let total = 0; ; total += before.count) {
      const page = await this.#countPage(`${path}?limit=${size}&offset=${total}`, onRow)
      if (page.first === null) return total
      // It would never end.
      if (before.first?.equals(page.first)) throw samePage()
      before = page
    }
  }

  async #countPage(path: string, onRow: ((row: Row) => void) | null): Promise<CountedPage> {
    let page: CountedPage = { count: 0, first: null }
    await this.#parts.search(path, () => {
      page = { count: 0, first: null }
      return {
        onRow: (row) => {
          page.first ??= Buffer.from(row)
          page.count += 1
          onRow?.(parseRow(row))
          return true
        },
      }
    })
    return page
  }
}

interface CountedPage {
  count: number
  first: Buffer | null
}

function samePage(): ProxyError {
  const problem = "Google's search returns the same page again, so the proxy can't count its rows."
  return new ProxyError('upstream-invalid', { problem, remedy: 'Search without ModalitiesInStudy and the numbers.' })
}

/** Throws for what is no JSON. */
export function parseRow(row: Buffer): Row {
  return JSON.parse(row.toString()) as Row
}

/** What is empty has no `Value` (PS3.18 F.2.5). */
function codes(values: readonly string[]): JsonAttribute {
  return values.length === 0 ? { vr: 'CS' } : { vr: 'CS', Value: values }
}

function integer(value: number): JsonAttribute {
  return { vr: 'IS', Value: [value] }
}

/** It becomes a part of a path. */
function uidIn(row: Row, tag: string): string {
  const uid = row[tag]?.Value?.[0]
  // Dots alone would lead elsewhere.
  if (typeof uid === 'string' && /^[\d.]{1,64}$/.test(uid) && /\d/.test(uid)) return uid
  const problem = "A row of Google's search has no UID, so the proxy can't complete it."
  throw new ProxyError('upstream-invalid', { problem, remedy: 'Search without ModalitiesInStudy and the numbers.' })
}
