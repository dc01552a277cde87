import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv, type ValidateFunction } from 'ajv'
import { type Test, test } from 'tap'
import { sbomOfPackage, withNode } from '../../packaging/release/sbom.ts'

const date = Date.parse('2026-11-28T06:00:00Z')

interface Locked {
  readonly version: string
  readonly dev?: boolean
  readonly devOptional?: boolean
}

function projectFile(path: string) {
  return JSON.parse(readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8'))
}

/** As npm's own packages are: without what only developers need. */
function tarball(t: Test) {
  const folder = t.testdir({ package: {} })
  const { devDependencies, scripts, overrides, allowScripts, tap, ...manifest } = projectFile('package.json')
  const lock = projectFile('package-lock.json')
  const { devDependencies: _, ...root } = lock.packages['']
  const needed = Object.entries<Locked>(lock.packages).filter(
    ([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional,
  )
  const write = (name: string, content: object) => writeFileSync(join(folder, 'package', name), JSON.stringify(content))
  mkdirSync(join(folder, 'package'), { recursive: true })
  write('package.json', manifest)
  write('npm-shrinkwrap.json', { ...lock, packages: { '': root, ...Object.fromEntries(needed) } })
  const file = join(folder, 'program.tgz')
  execFileSync('tar', ['-czf', file, '-C', folder, 'package'])
  const installed = needed.map(([path, { version }]) => `${path.split('node_modules/').at(-1)}@${version}`)
  return { file, version: manifest.version, installed: [...new Set(installed)].sort() }
}

function schema(name: string) {
  return projectFile(`node_modules/@cyclonedx/cyclonedx-library/res/schema/${name}.SNAPSHOT.schema.json`)
}

/** By the schema of CycloneDX itself. */
function schemaValidator(): ValidateFunction {
  const ajv = new Ajv({ strict: false, validateFormats: false, validateSchema: false, code: { optimize: false } })
  // Under the names by which the first one refers to them.
  for (const name of ['spdx', 'jsf-0.82']) {
    ajv.addSchema({ ...schema(name), $id: `http://cyclonedx.org/schema/${name}.SNAPSHOT.schema.json` })
  }
  return ajv.compile(schema('bom-1.5'))
}

test('names what is shipped: no more, no less, and valid', async (t) => {
  const { file, version, installed } = tarball(t)
  t.ok(installed.length > 50)
  const sbom = sbomOfPackage(file, 'gcp-dicomweb-proxy', date)
  const validate = schemaValidator()
  t.ok(validate(sbom), JSON.stringify(validate.errors))
  t.same(sbom.components.map((one) => `${one.name}@${one.version}`).sort(), installed)
  t.match(sbom.metadata, {
    timestamp: '2026-11-28T06:00:00.000Z',
    component: { name: 'gcp-dicomweb-proxy', version, licenses: [{ license: { id: 'MIT' } }] },
  })
  t.same(
    sbom.components.filter(({ licenses, hashes }) => !licenses || !hashes).map(({ name }) => name),
    [],
    'each with its license and hash',
  )

  const complete = withNode(sbom, process.versions, date)
  t.ok(validate(complete), JSON.stringify(validate.errors))
  const node = complete.components.at(-1)
  t.match(node, { name: 'node', version: process.versions.node, type: 'platform' })
  const builtIn = (node?.components ?? []) as { name: string }[]
  t.ok(builtIn.some(({ name }) => name === 'openssl'))
  t.match(
    complete.dependencies.find(({ ref }) => ref === sbom.metadata.component['bom-ref'])?.dependsOn?.at(-1),
    'node@',
  )

  t.same(sbomOfPackage(file, 'gcp-dicomweb-proxy', date), sbom, 'the same again')
  t.not(complete.serialNumber, sbom.serialNumber)
})
