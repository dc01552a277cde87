import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type ArchiveOptions, withFlags, writeUnit } from './archive.ts'
import { copyNode, nodeVersion, type Platform } from './node-binary.ts'
import { copyDocuments, copyProgram, installDependencies } from './program.ts'
import { manifest, read, sourceDate } from './project.ts'
import { run } from './run.ts'

const architectures: Partial<Record<Platform, string>> = { 'linux-x64': 'amd64', 'linux-arm64': 'arm64' }

const environment = 'etc/default/gcp-dicomweb-proxy'
/** Files that are kept as the administrator has changed them. */
const conffiles = [`/${environment}`, '/etc/gcp-dicomweb-proxy/orthanc.json.example']

/** Makes the package for Debian and Ubuntu: `apt install ./FILE`. Returns its path. */
export function makeDebianPackage(platform: Platform, { products, isFast = false }: ArchiveOptions): string {
  const version = `${manifest.version}-1`
  const architecture = architectures[platform]
  if (architecture === undefined) throw new Error(`There is no Debian for ${platform}.`)
  const root = mkdtempSync(join(tmpdir(), 'debian-package-'))
  try {
    chmodSync(root, 0o755)
    installProgram(root, platform)
    installFiles(root, version)
    writeControl(root, { architecture, version })
    mkdirSync(products, { recursive: true })
    const file = resolve(products, `${manifest.name}_${version}_${architecture}.deb`)
    const env = { ...process.env, SOURCE_DATE_EPOCH: String(sourceDate()) }
    run('chmod', ['-R', 'u+rwX,go+rX,go-w', root])
    // It may hold passwords, and only systemd reads it, as root.
    chmodSync(join(root, environment), 0o600)
    run('dpkg-deb', ['--root-owner-group', '-Zxz', `-z${isFast ? 0 : 6}`, '--build', root, file], { env })
    return file
  } finally {
    rmSync(root, { recursive: true })
  }
}

const home = 'usr/lib/gcp-dicomweb-proxy'
const condition = 'ConditionPathExists=/etc/gcp-dicomweb-proxy/orthanc.json'

function installProgram(root: string, platform: Platform): void {
  const folder = join(root, home)
  copyProgram(folder, { launcher: '/usr/bin/gcp-dicomweb-proxy', bin: undefined })
  installDependencies(folder)
  mkdirSync(join(folder, 'bin'))
  copyNode(platform, join(folder, 'bin'))
  // Nobody starts it by its script line, which would take Node from PATH.
  const main = join(folder, 'dist/main.js')
  writeFileSync(main, readFileSync(main, 'utf8').replace(/^#!.*\n/, ''))
  // Debian has them elsewhere.
  for (const name of ['README.md', 'CHANGELOG.md', 'SECURITY.md', 'LICENSE']) rmSync(join(folder, name))
  run('find', [folder, '-type', 'f', '!', '-path', '*/bin/node', '-exec', 'chmod', 'a-x', '{}', '+'])
}

function installFiles(root: string, version: string): void {
  const documents = join(root, 'usr/share/doc/gcp-dicomweb-proxy')
  mkdirSync(join(documents, 'docs'), { recursive: true })
  copyDocuments(join(documents, 'docs'))
  const examples = join(documents, 'examples')
  mkdirSync(examples)
  for (const name of ['minimal.json', 'full.json', 'orthanc-gcp-plugin.json']) {
    cpSync(join(root, home, 'config', name), join(examples, name))
  }
  write(root, 'usr/share/doc/gcp-dicomweb-proxy/README.md', read('README.md'))
  write(root, 'usr/share/doc/gcp-dicomweb-proxy/SECURITY.md', read('SECURITY.md'))
  write(root, 'usr/share/doc/gcp-dicomweb-proxy/changelog.gz', gzipped(read('CHANGELOG.md')))
  write(root, 'usr/share/doc/gcp-dicomweb-proxy/changelog.Debian.gz', gzipped(debianChangelog(version)))
  write(root, 'usr/share/doc/gcp-dicomweb-proxy/copyright', copyright())
  write(root, 'usr/share/man/man1/gcp-dicomweb-proxy.1.gz', gzipped(read('packaging/debian/gcp-dicomweb-proxy.1')))
  write(root, 'usr/share/lintian/overrides/gcp-dicomweb-proxy', read('packaging/debian/lintian-overrides'))
  write(root, 'usr/bin/gcp-dicomweb-proxy', withFlags(read('packaging/debian/gcp-dicomweb-proxy')))
  chmodSync(join(root, 'usr/bin/gcp-dicomweb-proxy'), 0o755)
  write(root, environment, read('packaging/debian/default'))
  write(root, 'etc/gcp-dicomweb-proxy/orthanc.json.example', read('config/minimal.json'))
  const unit = 'usr/lib/systemd/system/gcp-dicomweb-proxy.service'
  write(root, unit, '')
  writeUnit(join(root, unit), `/${home}`, ['# Without a configuration, there is nothing to start yet.', condition])
}

function writeControl(root: string, { architecture, version }: { architecture: string; version: string }): void {
  const [, size = '0'] = /^(\d+)/.exec(run('du', ['-sk', '--apparent-size', root])) ?? []
  const control = read('packaging/debian/control')
    .replace('@VERSION@', version)
    .replace('@ARCHITECTURE@', architecture)
    .replace('@SIZE@', size)
    .replace('@NODE@', nodeVersion)
  write(root, 'DEBIAN/control', control)
  write(root, 'DEBIAN/conffiles', conffiles.map((file) => `${file}\n`).join(''))
  for (const script of ['postinst', 'prerm', 'postrm']) {
    write(root, `DEBIAN/${script}`, read(`packaging/debian/${script}`))
    chmodSync(join(root, 'DEBIAN', script), 0o755)
  }
  const files = run('find', ['usr', 'etc', '-type', 'f', '-exec', 'md5sum', '{}', '+'], { cwd: root })
  write(root, 'DEBIAN/md5sums', files)
}

function write(root: string, path: string, content: string | Buffer): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), content)
}

/** In the form of Debian: each line of the text indented. */
function copyright(): string {
  const text = read('LICENSE').trim().replaceAll(/^$/gm, '.').replaceAll(/^/gm, ' ')
  return read('packaging/debian/copyright').replace('@LICENSE@', `License: Expat\n${text}`)
}

function gzipped(text: string): Buffer {
  return gzipSync(text, { level: 9 })
}

function debianChangelog(version: string): string {
  const date = run('date', ['-Ru', '-d', `@${sourceDate()}`]).trim()
  return `gcp-dicomweb-proxy (${version}) unstable; urgency=medium

  * See changelog.gz.

 -- The gcp-dicomweb-proxy project <root@localhost>  ${date}
`
}
