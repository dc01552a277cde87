/**
 * `npm run release`: builds everything that a release has, up to the tag. See
 * docs/development/releasing.md.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { releaseNotes } from './changelog.ts'
import { releaseProblems } from './checks.ts'
import { type Checksums, differences, writeChecksums } from './checksums.ts'
import { git, readJson, readText, repositoryUrl } from './project.ts'
import { sbomOfPackage, withNode } from './sbom.ts'

const project = fileURLToPath(new URL('../..', import.meta.url))
const { name, version } = readJson(project, 'package.json') as { name: string; version: string }

const usage = `Usage: npm run release -- [--dry-run] [--fast] [--twice] [--out FOLDER]
--dry-run  build although something is not ready, and say what
--fast     compress less, in a dry run
--twice    build again, and compare the checksums
--out      default: dist-release
`

function main(): number {
  const options = readOptions()
  if (!options || (options.fast && !options['dry-run'])) {
    process.stderr.write(usage)
    return 2
  }
  const problems = releaseProblems(project)
  if (problems.length > 0) {
    process.stdout.write(`Version ${version} can't be released:\n${problems.map((one) => `- ${one}\n`).join('')}\n`)
    if (!options['dry-run']) return 1
  }
  // Everything in the products is dated with it, and so are theirs who build the same commit.
  process.env.SOURCE_DATE_EPOCH ??= git(project, 'log', '-1', '--format=%ct')
  const folder = resolve(options.out)
  const sums = buildRelease(folder, options.fast)
  list(folder, sums)
  if (options.twice && !compareAgain(sums, options.fast)) return 1
  process.stdout.write(problems.length > 0 ? '\nA dry run: see above what is not ready.\n' : nextSteps(folder))
  return 0
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        'dry-run': { type: 'boolean', default: false },
        fast: { type: 'boolean', default: false },
        twice: { type: 'boolean', default: false },
        out: { type: 'string', default: join(project, 'dist-release') },
      },
    }).values
  } catch {
    return null
  }
}

function buildRelease(folder: string, isFast: boolean): Checksums {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const words = [
    'run',
    '--silent',
    'package',
    '--',
    'npm',
    'deb',
    'archive',
    '--out',
    folder,
    ...(isFast ? ['--fast'] : []),
  ]
  execFileSync('npm', words, { cwd: project, stdio: 'inherit' })
  writeSboms(folder)
  const notes = releaseNotes(readText(project, 'CHANGELOG.md'), version, repositoryUrl(project))
  writeFileSync(join(folder, 'RELEASE-NOTES.md'), notes)
  return writeChecksums(folder)
}

function writeSboms(folder: string): void {
  const date = 1000 * Number(process.env.SOURCE_DATE_EPOCH)
  const tarball = join(folder, `${name}-${version}.tgz`)
  if (!existsSync(tarball)) throw new Error(`${tarball} was not made.`)
  const sbom = sbomOfPackage(tarball, name, date)
  const write = (file: string, content: object) =>
    writeFileSync(join(folder, file), `${JSON.stringify(content, null, 2)}\n`)
  write(`${name}-${version}.cdx.json`, sbom)
  write(`${name}-${version}-with-node.cdx.json`, withNode(sbom, process.versions, date))
}

function list(folder: string, sums: Checksums): void {
  process.stdout.write(`\n${relative(process.cwd(), folder)}:\n`)
  for (const file of readdirSync(folder).sort()) {
    const megabytes = (statSync(join(folder, file)).size / 1e6).toFixed(2)
    process.stdout.write(`${megabytes.padStart(8)} MB  ${file}  ${sums.get(file)?.slice(0, 12) ?? ''}\n`)
  }
}

function compareAgain(sums: Checksums, isFast: boolean): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'release-again-'))
  try {
    const different = differences(sums, buildRelease(folder, isFast))
    const said = different.length === 0 ? 'the same files, byte for byte' : `different: ${different.join(', ')}`
    process.stdout.write(`\nBuilt twice: ${said}.\n`)
    return different.length === 0
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function nextSteps(folder: string): string {
  return `
Everything is built and nothing is published. Next:
  git tag --annotate v${version} --message "Version ${version}"
  git push origin v${version}
The workflow release.yml builds the same files from the tag, and the image: compare its SHA256SUMS
with ${join(relative(process.cwd(), folder), 'SHA256SUMS')}. See docs/development/releasing.md.
`
}

process.exitCode = main()
