/**
 * `npm run package -- npm|deb|archive`: builds the program, and makes packages of it in
 * dist-packages. See docs/adr/0040.
 */
import { statSync } from 'node:fs'
import { relative } from 'node:path'
import { parseArgs } from 'node:util'
import { makeArchive } from './archive.ts'
import { makeDebianPackage } from './debian-package.ts'
import { isPlatform, type Platform, platforms } from './node-binary.ts'
import { makeNpmPackage } from './npm-package.ts'
import { build } from './program.ts'
import { productFolder, project } from './project.ts'

const { values, positionals } = parseArgs({
  options: {
    platform: { type: 'string', multiple: true },
    out: { type: 'string', default: productFolder },
    fast: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})

const usage = `Usage: npm run package -- npm|deb|archive... [--platform ${platforms.join('|')}] [--out FOLDER] [--fast]
--fast compresses less, for trials.
`
const kinds = new Set(positionals)
const wanted = (values.platform ?? []).filter(isPlatform)
const isWrong = [...kinds].some((kind) => !['npm', 'deb', 'archive'].includes(kind))
if (kinds.size === 0 || isWrong || wanted.length !== (values.platform ?? []).length) {
  process.stderr.write(usage)
  process.exitCode = 2
} else {
  build()
  const options = { products: values.out, isFast: values.fast }
  if (kinds.has('npm')) tell(makeNpmPackage(values.out))
  for (const platform of chosen(['linux-x64', 'linux-arm64'])) {
    if (kinds.has('deb')) tell(makeDebianPackage(platform, options))
  }
  for (const platform of chosen(platforms)) if (kinds.has('archive')) tell(makeArchive(platform, options))
}

function chosen(possible: readonly Platform[]): readonly Platform[] {
  return possible.filter((platform) => wanted.length === 0 || wanted.includes(platform))
}

function tell(file: string): void {
  const megabytes = (statSync(file).size / 1_000_000).toFixed(1)
  process.stdout.write(`${relative(project, file)}  ${megabytes} MB\n`)
}
