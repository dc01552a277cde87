import type { Behavior } from '../behavior.ts'
import type { Call } from '../call.ts'
import type { DataSet } from '../dicom/dicom-json.ts'
import type { EmulatorResponse } from '../response.ts'
import type { DicomStore, Scope } from './dicom-store.ts'
import { matchesAll } from './matching.ts'
import { parseAccept } from './media-type.ts'
import { parseSearch } from './search-query.ts'
import { rowsOf, selectAttributes } from './search-rows.ts'
import type { Level } from './searchable.ts'
import { dataSetsResponse } from './wado.ts'

export interface Search {
  readonly store: DicomStore
  readonly scope: Scope
  readonly level: Level
  /** URL of the store's `dicomWeb`. */
  readonly webRoot: string
  readonly behavior: Behavior
}

/**
 * What was recorded from Google where a search finds nothing: no body, yet a type (its Python
 * samples' integration test asserts the 204; the type is that of OHIF's slim, issue 51).
 */
const nothingFound: EmulatorResponse = { status: 204, headers: { 'content-type': 'text/html' } }

/**
 * QIDO-RS (PS3.18, 10.6). Past the last page, and below a study that is not there, nothing is
 * found.
 */
export function handleQido({ store, scope, level, webRoot, behavior }: Search, call: Call): EmulatorResponse {
  const accept = parseAccept(call.headers.accept)
  const { matches, limit, offset, fields, fuzzy } = parseSearch(call.query, level, behavior)
  const page: DataSet[] = []
  let toSkip = offset
  for (const row of rowsOf(store.search(scope, level), level, webRoot)) {
    if (page.length >= limit) break
    if (!matchesAll(row, matches, fuzzy)) continue
    if (toSkip > 0) toSkip -= 1
    else page.push(selectAttributes(row, level, fields))
  }
  return page.length === 0 ? nothingFound : dataSetsResponse(page, accept)
}
