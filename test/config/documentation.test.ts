import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { defaults, keys } from './schema-keys.ts'

/**
 * The tables that list keys: page, what stands above the table, and what to put before its keys.
 */
const tables: readonly [page: string, before: string, prefix: string][] = [
  ['configuration.md', '## GoogleCloudPlatform\n', 'GoogleCloudPlatform.'],
  ['configuration.md', '### An account\n', 'GoogleCloudPlatform.Accounts.*.'],
  ['configuration.md', '## DicomWebProxy\n', 'DicomWebProxy.'],
  ['configuration.md', '## Options of Orthanc that count here too\n', ''],
  ['orthanc.md', '## The proxy registers itself\n', 'DicomWebProxy.Orthanc.'],
  ['audit.md', '# The audit trail\n', 'DicomWebProxy.Audit.'],
]
/** Said in other words: credentials and clients have tables without defaults. */
const elsewhere = ['GoogleCloudPlatform.Accounts.*.ApplicationDefault', 'DicomWebProxy.Clients.*.Admin']

interface Row {
  readonly path: string
  readonly standard: string
}

/** The rows of the first table of three columns; a row may name more than one key. */
function rowsOf([page, before, prefix]: (typeof tables)[number]): Row[] {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8')
  const [, after = ''] = text.split(before)
  const [table = ''] = /^\|[^\n]*\| default \|\n(?:\|[^\n]*\n)+/m.exec(after) ?? []
  const rows = [...table.matchAll(/^\| (`.*?) \| .* \| ?(.*?) ?\|$/gm)]
  return rows.flatMap(([, names = '', standard = '']) =>
    [...names.matchAll(/`([\w.]+)`/g)].map(([, name]) => ({ path: `${prefix}${name}`, standard })),
  )
}

/** How a default stands in a table. */
function shown(value: unknown): RegExp {
  if (value === '') return /^empty/
  if (typeof value === 'number') return new RegExp(`^${value}$`)
  if (Array.isArray(value) && value.length > 0) return /^all four$/
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return new RegExp(`^\`${text.replace(/[[\].]/g, '\\$&')}\`$`)
}

test('the tables of docs/ have the keys of the schema and its defaults, and no others', async (t) => {
  const rows = tables.flatMap(rowsOf)
  t.ok(rows.length > 40, `${rows.length} rows are found`)
  const known = new Set(keys().map(([path]) => path))
  for (const { path, standard } of rows) {
    t.ok(known.has(path), `${path} is in the schema`)
    const value = defaults().get(path)
    if (value !== undefined) t.match(standard, shown(value), path)
    else t.notMatch(standard, /^(\d+|`[^`]*`)$/, `${path} has no default`)
  }
  const documented = rows.map(({ path }) => path)
  t.strictSame(
    [...defaults().keys()].filter((path) => !documented.includes(path)),
    elsewhere,
  )
})
