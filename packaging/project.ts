import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './run.ts'

export const project = fileURLToPath(new URL('..', import.meta.url))

/** Where the products go by default. */
export const productFolder = join(project, 'dist-packages')

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly description: string
  readonly dependencies: Readonly<Record<string, string>>
  readonly [key: string]: unknown
}

export function read(path: string): string {
  return readFileSync(join(project, path), 'utf8')
}

export const manifest: Manifest = JSON.parse(read('package.json'))

/** The flags of Node that the program is started with (docs/adr/0010). */
export const nodeFlags = /^#!.* -S node (.*)/.exec(read('src/main.ts'))?.[1] ?? ''

/**
 * Seconds since 1970 that everything in a package is dated with, so that the same source gives the
 * same package: the time of the last commit, or SOURCE_DATE_EPOCH
 * (https://reproducible-builds.org/specs/source-date-epoch/).
 */
export function sourceDate(): number {
  const given = process.env.SOURCE_DATE_EPOCH
  return Number(given ?? run('git', ['log', '-1', '--format=%ct'], { cwd: project }).trim())
}
