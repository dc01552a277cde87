import type { Statement } from './statement.ts'
import { deletion } from './statements/deletion.ts'
import { errors } from './statements/errors.ts'
import { frames } from './statements/frames.ts'
import { metadata } from './statements/metadata.ts'
import { missingThings } from './statements/missing.ts'
import { querySpelling } from './statements/query-spelling.ts'
import { storeResource } from './statements/resource.ts'
import { retrieving } from './statements/retrieve.ts'
import { emptySearches } from './statements/search-empty.ts'
import { searchKeys } from './statements/search-keys.ts'
import { searchRows } from './statements/search-rows.ts'
import { searchValues } from './statements/search-values.ts'
import { storing } from './statements/store.ts'
import { storeFailures } from './statements/store-failures.ts'

export interface Group {
  readonly title: string
  readonly statements: readonly Statement[]
}

/**
 * Everything that the product relies on of Google, in the order in which it is tried: searches that
 * find nothing, then what is stored, and deletion last. The tests hold the emulator to the same
 * list.
 */
export const groups: readonly Group[] = [
  { title: 'The store', statements: storeResource },
  { title: 'Searches that find nothing', statements: emptySearches },
  { title: 'Storing', statements: storing },
  { title: 'Failures of storing', statements: storeFailures },
  { title: 'Search keys', statements: searchKeys },
  { title: 'Search values', statements: searchValues },
  { title: 'Spelling of queries', statements: querySpelling },
  { title: 'Search results', statements: searchRows },
  { title: 'Retrieving', statements: retrieving },
  { title: 'Metadata and bulk data', statements: metadata },
  { title: 'Frames and rendered images', statements: frames },
  { title: 'What is missing', statements: missingThings },
  { title: 'Errors', statements: errors },
  { title: 'Deletion', statements: deletion },
]
