import { type Fault, faults } from './faults.ts'
import type { Observed } from './run-fault.ts'

/** The lines between which docs/check.md has the table. */
export const begin = '<!-- made by `npm run check:faults` from test/check/faults.ts; do not edit -->\n'
export const end = '<!-- end -->\n'

/** A row of the table; one that had no Orthanc to run with has nothing to say. */
export function rowOf({ name, codes }: Fault, { problem, remedy, exitCode }: Observed): string {
  return `| … ${name} | ${cell(problem)} | ${cell(remedy)} | \`${codes[0]}\`, ${exitCode} |`
}

/** Commands and texts may hold what a table takes for its own. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('*', '\\*')
}

/** The tables, by group. */
export function tablesOf(rows: ReadonlyMap<Fault, string>): string {
  return Object.entries(faults)
    .map(([group, inGroup]) => {
      const head = `### ${group} …\n\n| … | problem | remedy | code, exit code |\n| --- | --- | --- | --- |`
      return [head, ...inGroup.map((fault) => rows.get(fault) ?? '')].join('\n')
    })
    .join('\n\n')
}

/** The document with other tables in it. */
export function withTables(document: string, tables: string): string {
  const [before, rest] = document.split(begin)
  const [, after] = rest?.split(end) ?? []
  if (before === undefined || after === undefined) throw new Error('docs/check.md has no place for the tables')
  return `${before}${begin}\n${tables}\n\n${end}${after}`
}
