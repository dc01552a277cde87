import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const fileName = 'SHA256SUMS'

/** From file name to SHA-256, in the order of the names. */
export type Checksums = ReadonlyMap<string, string>

/** Of all files of a folder; writes them down for `sha256sum --check`. */
export function writeChecksums(folder: string): Checksums {
  const names = readdirSync(folder)
    .filter((name) => name !== fileName)
    .sort()
  const digest = (name: string) =>
    createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex')
  const sums = new Map(names.map((name) => [name, digest(name)]))
  writeFileSync(join(folder, fileName), [...sums].map(([name, sum]) => `${sum}  ${name}\n`).join(''))
  return sums
}

/** Names of what only one of the two has, or what differs. */
export function differences(one: Checksums, other: Checksums): readonly string[] {
  const names = new Set([...one.keys(), ...other.keys()])
  return [...names].filter((name) => one.get(name) !== other.get(name))
}
