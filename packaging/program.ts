import { cpSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Manifest, manifest, project, read } from './project.ts'
import { run } from './run.ts'

/** What is installed: no sources, tests, tools, maps; the documents that messages name, and no others. */
export const parts = ['dist', 'config', 'LICENSE', 'README.md', 'CHANGELOG.md', 'SECURITY.md']

/** Builds the program once, for all packages of a run. */
export function build(): void {
  run('npm', ['run', '--silent', 'build'], { cwd: project })
}

/**
 * Copies the built program into a folder, with the manifest and the exact versions of its packages
 * (npm-shrinkwrap.json), but not these packages.
 */
export function copyProgram(folder: string, more: Readonly<Record<string, unknown>> = {}): void {
  mkdirSync(folder, { recursive: true })
  for (const part of parts) cpSync(join(project, part), join(folder, part), { recursive: true })
  writeJson(join(folder, 'package.json'), { ...publishedManifest(), ...more })
  writeJson(join(folder, 'npm-shrinkwrap.json'), shrinkwrap())
}

/** The guides, without what is for developers. */
export function copyDocuments(folder: string): void {
  const guides = readdirSync(join(project, 'docs')).filter((name) => name.endsWith('.md'))
  for (const name of guides) cpSync(join(project, 'docs', name), join(folder, name))
}

/** Installs the packages that the program needs, as the shrinkwrap says, and leaves out what never runs. */
export function installDependencies(folder: string): void {
  run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: folder })
  rmSync(join(folder, 'node_modules/.package-lock.json'))
  prune(join(folder, 'node_modules'))
}

const neverRuns = /^\.|\.(?:map|d\.[cm]?ts|md|markdown|tsbuildinfo|ts|html)$/i
const license = /licen[cs]e|notice|copying/i
/** Beside a package's package.json; deeper, a folder of such a name may be a part of the code. */
const forDevelopers = /^(?:tests?|spec|benchmarks?|examples?|docs|integration)$/

function prune(folder: string): void {
  const names = readdirSync(folder)
  const isPackage = names.includes('package.json')
  for (const name of names) {
    const path = join(folder, name)
    const isFolder = statSync(path).isDirectory()
    if (isFolder && !(isPackage && forDevelopers.test(name)) && !name.startsWith('.')) prune(path)
    else if (isFolder || (neverRuns.test(name) && !license.test(name))) rmSync(path, { recursive: true })
  }
}

function publishedManifest(): Omit<Manifest, 'scripts' | 'devDependencies'> {
  const { private: _private, scripts, devDependencies, overrides, allowScripts, tap, files, ...published } = manifest
  return published
}

interface LockedPackage {
  readonly dev?: boolean
  readonly devOptional?: boolean
}

/** The lock file without what only developers need: what was tested is what is installed. */
function shrinkwrap(): object {
  const lock = JSON.parse(read('package-lock.json'))
  const packages = Object.entries<LockedPackage>(lock.packages)
  const needed = packages.filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional)
  const { name, version, license, bin, engines, dependencies } = manifest
  const root = { name, version, license, dependencies, bin, engines }
  return { ...lock, packages: { '': root, ...Object.fromEntries(needed) } }
}

export function countDependencies(): number {
  const { packages } = shrinkwrap() as { packages: object }
  return Object.keys(packages).length - 1
}

function writeJson(file: string, content: object): void {
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`)
}
