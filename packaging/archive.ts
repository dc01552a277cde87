import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { copyNode, type Platform } from './node-binary.ts'
import { copyDocuments, copyProgram, installDependencies } from './program.ts'
import { manifest, nodeFlags, project, read, sourceDate } from './project.ts'
import { run } from './run.ts'

export interface ArchiveOptions {
  /** Where the product goes. */
  readonly products: string
  /** Compresses less. */
  readonly isFast?: boolean
}

/**
 * Makes an archive with everything that the program needs, Node.js included: unpack it, and start
 * the launcher. Returns its path.
 */
export function makeArchive(platform: Platform, { products, isFast = false }: ArchiveOptions): string {
  const name = `${manifest.name}-${manifest.version}-${platform}`
  const parent = mkdtempSync(join(tmpdir(), 'archive-'))
  try {
    const folder = join(parent, name)
    const isWindows = platform === 'win-x64'
    const launcher = isWindows ? 'gcp-dicomweb-proxy.cmd' : 'gcp-dicomweb-proxy'
    copyProgram(folder, { launcher, bin: undefined })
    installDependencies(folder)
    mkdirSync(join(folder, 'bin'))
    copyNode(platform, join(folder, 'bin'))
    mkdirSync(join(folder, 'docs'))
    copyDocuments(join(folder, 'docs'))
    cpSync(join(project, 'deploy'), join(folder, 'deploy'), { recursive: true })
    writeUnit(join(folder, 'deploy/systemd/gcp-dicomweb-proxy.service'), '/opt/gcp-dicomweb-proxy')
    const texts = isWindows ? [launcher, 'gcp-dicomweb-proxy-service.xml'] : [launcher]
    for (const text of texts) writeText(join(folder, text), withFlags(read(`packaging/archive/${text}`)), isWindows)
    if (isWindows) useWindowsLineEnds(folder)
    else chmodSync(join(folder, launcher), 0o755)
    mkdirSync(products, { recursive: true })
    return isWindows ? zip(parent, name, { products, isFast }) : tar(parent, name, { products, isFast })
  } finally {
    rmSync(parent, { recursive: true })
  }
}

/**
 * The systemd unit of deploy/systemd, for an installation in a folder, with its own Node.
 *
 * @param conditions more lines of its section [Unit]
 */
export function writeUnit(file: string, folder: string, conditions: readonly string[] = []): void {
  const unit = read('deploy/systemd/gcp-dicomweb-proxy.service')
  const adapted = unit
    .replaceAll('/opt/gcp-dicomweb-proxy/', `${folder}/`)
    .replaceAll('/usr/bin/node', `${folder}/bin/node`)
    .replace('[Unit]\n', ['[Unit]', ...conditions, ''].join('\n'))
  writeFileSync(file, adapted)
}

export function withFlags(text: string): string {
  return text.replaceAll('@FLAGS@', nodeFlags)
}

function writeText(file: string, text: string, isWindows: boolean): void {
  writeFileSync(file, isWindows ? text.replaceAll(/\r?\n/g, '\r\n') : text)
}

/** Editors of older Windows show a file with other line ends as one line. */
function useWindowsLineEnds(folder: string): void {
  for (const part of ['.', 'config', 'docs']) {
    for (const name of readdirSync(join(folder, part)).filter((name) => /\.(?:md|json)$|^LICENSE$/.test(name))) {
      const file = join(folder, part, name)
      writeText(file, readFileSync(file, 'utf8'), true)
    }
  }
}

function tar(parent: string, name: string, { products, isFast }: Required<ArchiveOptions>): string {
  const file = resolve(products, `${name}.tar.xz`)
  rmSync(file, { force: true })
  const owner = ['--owner=0', '--group=0', '--numeric-owner', '--mode=u+rwX,go+rX,go-w']
  const order = ['--sort=name', `--mtime=@${sourceDate()}`, '--format=gnu']
  run('tar', [...order, ...owner, `--use-compress-program=xz -T0 -${isFast ? 0 : 6}`, '-C', parent, '-cf', file, name])
  return file
}

function zip(parent: string, name: string, { products, isFast }: Required<ArchiveOptions>): string {
  const file = resolve(products, `${name}.zip`)
  rmSync(file, { force: true })
  const files = run('find', [name, '-type', 'f'], { cwd: parent }).trim().split('\n').sort()
  run('touch', ['-d', `@${sourceDate()}`, ...files], { cwd: parent })
  // Without -X, it would hold users and times of this machine.
  run('zip', ['-q', '-X', isFast ? '-1' : '-9', file, ...files], { cwd: parent, env: { ...process.env, TZ: 'UTC' } })
  return file
}
