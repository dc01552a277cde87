import type { Answer } from '../answer.ts'
import type { Call } from '../call.ts'
import type { DataSet } from '../dicom/dicom-json.ts'
import type { DicomStore, Scope } from './dicom-store.ts'
import { matchesAll } from './matching.ts'
import { parseAccept } from './media-type.ts'
import { parseSearch } from './search-query.ts'
import { rowsOf, selectAttributes } from './search-rows.ts'
import { dataSetsAnswer } from './wado.ts'

export type Level = 'studies' | 'series' | 'instances'

export interface Search {
  readonly store: DicomStore
  readonly scope: Scope
  readonly level: Level
  readonly webRoot: string
}

/** QIDO-RS (PS3.18, 10.6). Nothing found is 200 with an empty array. */
export function answerQido({ store, scope, level, webRoot }: Search, call: Call): Answer {
  const accept = parseAccept(call.headers.accept)
  const { matches, limit, offset, fields, fuzzy } = parseSearch(call.query, level)
  const found = rowsOf(store.find(scope), level, webRoot).filter((row) => matchesAll(row, matches, fuzzy))
  const page = found.slice(offset, offset + limit)
  const asked = [...fields, ...matches.map(({ path }) => path[0] ?? '')]
  const results: DataSet[] = page.map((row) => selectAttributes(row, level, scope, asked))
  return dataSetsAnswer(results, accept)
}
