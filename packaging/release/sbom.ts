import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A CycloneDX document, as far as this project writes it. */
export interface Sbom {
  serialNumber: string
  readonly metadata: { timestamp: string; readonly component: { name: string; readonly 'bom-ref': string } }
  readonly components: Component[]
  readonly dependencies: { readonly ref: string; readonly dependsOn?: string[] }[]
  readonly [key: string]: unknown
}

interface Component {
  readonly type: string
  readonly 'bom-ref': string
  readonly name: string
  readonly version: string
  readonly [key: string]: unknown
}

/**
 * What the npm package installs, by npm's own account of it. npm reads the manifest and the exact
 * versions in the package: in a clone, `npm sbom --omit dev` (npm 11.19) leaves out each package
 * that a development tool needs as well.
 *
 * @param date in milliseconds since the epoch
 */
export function sbomOfPackage(tarball: string, name: string, date: number): Sbom {
  const folder = mkdtempSync(join(tmpdir(), 'sbom-'))
  try {
    // npm takes the name of the program from that of its folder.
    const program = join(folder, name)
    mkdirSync(program)
    execFileSync('tar', ['-xzf', tarball, '-C', program, '--strip-components=1'])
    const words = ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx', '--sbom-type', 'application']
    const text = execFileSync('npm', words, { cwd: program, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
    return reproducible(JSON.parse(text), date)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The same with Node and what is built into it, as archives and Debian packages bring it. */
export function withNode(sbom: Sbom, versions: Readonly<Record<string, string | undefined>>, date: number): Sbom {
  const { node: version = '', ...others } = versions
  const node = nodeComponent(version, others)
  const root = sbom.metadata.component['bom-ref']
  const dependencies = sbom.dependencies.map(({ ref, dependsOn = [] }) => ({
    ref,
    dependsOn: ref === root ? [...dependsOn, node['bom-ref']] : dependsOn,
  }))
  const added = { ref: node['bom-ref'], dependsOn: [] }
  return reproducible({ ...sbom, components: [...sbom.components, node], dependencies: [...dependencies, added] }, date)
}

/** Interfaces and standards, which are no code of others. */
const noSoftware = new Set(['modules', 'napi', 'unicode', 'cldr', 'tz'])

function nodeComponent(version: string, builtIn: Readonly<Record<string, string | undefined>>): Component {
  const ref = `node@${version}`
  return {
    type: 'platform',
    'bom-ref': ref,
    name: 'node',
    version,
    cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
    purl: `pkg:generic/node@${version}`,
    licenses: [{ license: { id: 'MIT' } }],
    externalReferences: [{ type: 'distribution', url: `https://nodejs.org/dist/v${version}/` }],
    components: Object.entries(builtIn)
      .filter(([name]) => !noSoftware.has(name))
      .map(([name, version = '']) => ({ type: 'library', 'bom-ref': `${ref}/${name}@${version}`, name, version })),
  }
}

/** npm gives each document a random number and the time of the day. */
function reproducible(sbom: Sbom, date: number): Sbom {
  const metadata = { ...sbom.metadata, timestamp: new Date(date).toISOString() }
  const content = { ...sbom, serialNumber: '', metadata }
  const digits = createHash('sha256').update(JSON.stringify(content)).digest('hex')
  // Version 8, variant 10: a UUID of one's own making (RFC 9562 5.8).
  const uuid = [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `8${digits.slice(13, 16)}`,
    `8${digits.slice(17, 20)}`,
    digits.slice(20, 32),
  ]
  return { ...content, serialNumber: `urn:uuid:${uuid.join('-')}` }
}
