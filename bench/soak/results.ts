import { readFile, writeFile } from 'node:fs/promises'

const file = new URL('../results/soak.md', import.meta.url)

/** Puts a report in the place of the last one with the same title; all are in one file. */
export async function saveReport(report: string): Promise<void> {
  const before = await readFile(file, 'utf8').catch(() => '')
  const titleOf = (section: string) => section.split('\n')[0]
  const others = before.split(/^(?=# )/m).filter((section) => section !== '' && titleOf(section) !== titleOf(report))
  const sections = [...others, report].map((section) => section.trim()).sort((one, other) => other.localeCompare(one))
  await writeFile(file, `${sections.join('\n\n')}\n`)
}
