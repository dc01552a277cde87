/**
 * `npm run check:faults`: breaks one thing after another, and writes what `check` says into
 * docs/check.md. Needs Orthanc.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { rowOf, tablesOf, withTables } from './document.ts'
import { type Fault, faults } from './faults.ts'
import { runFault } from './run-fault.ts'

const document = new URL('../../docs/check.md', import.meta.url)
const rows = new Map<Fault, string>()
for (const fault of Object.values(faults).flat()) {
  const observed = await runFault(fault)
  rows.set(fault, rowOf(fault, observed))
  process.stdout.write(
    `${fault.name}: ${observed.results.filter(({ failure }) => failure).map(({ failure }) => failure?.code)}\n`,
  )
}
writeFileSync(document, withTables(readFileSync(document, 'utf8'), tablesOf(rows)))
