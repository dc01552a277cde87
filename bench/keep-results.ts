import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { chartsOf } from './charts.ts'
import { reportOf } from './report.ts'
import type { Results } from './results.ts'

/** Writes the results as they are so far: for people, for programs, and as pictures. */
export async function keepResults(results: Results, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const { file, svg } of chartsOf(results)) await writeFile(join(folder, file), svg)
  await writeFile(join(folder, 'latest.md'), reportOf(results))
  await writeFile(join(folder, 'latest.json'), `${JSON.stringify(results, null, 2)}\n`)
}
