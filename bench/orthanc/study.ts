import { createHash } from 'node:crypto'
import { type SyntheticInstance, syntheticStudy } from '../../src/emulator/synthetic-study.ts'

/** What is sent and retrieved: 500 CT slices whose pixel data are 512 KiB each, in five series. */
export const instanceCount = 500
export const studyTitle = `${instanceCount} instances of 512 KiB`

/** The same in every process of the bench: 251 MiB, made one file at a time. */
export function benchStudy(): Generator<SyntheticInstance> {
  return syntheticStudy({ series: 5, instances: 100, rows: 512, columns: 512 })
}

/** SHA-256 of each file, sorted: Orthanc sends a study in an order of its own. */
export function digestsOf(files: Iterable<Buffer>): readonly string[] {
  return Array.from(files, digestOf).sort()
}

function digestOf(file: Buffer): string {
  return createHash('sha256').update(file).digest('hex')
}
