import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'

export interface Resource {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly [key: string]: unknown
}

interface Kustomization {
  readonly apiVersion: string
  readonly kind: 'Kustomization' | 'Component'
  readonly resources?: readonly string[]
  readonly components?: readonly string[]
  readonly configMapGenerator?: readonly {
    readonly name: string
    readonly behavior?: 'merge'
    readonly files: readonly string[]
  }[]
  readonly generatorOptions?: { readonly disableNameSuffixHash: true }
  readonly patches?: readonly {
    readonly target: { readonly kind: string; readonly name: string }
    readonly patch: string
  }[]
}

/** As kubectl reads YAML: an octal number such as 0440 is one. */
const options = { version: '1.1' } as const
const known = ['resources', 'components', 'configMapGenerator', 'generatorOptions', 'patches', 'apiVersion', 'kind']

/**
 * What `kubectl kustomize` makes of a folder, for what the files in deploy/kubernetes use of
 * kustomize, and nothing else: so the tests of these files need no kubectl.
 */
export function kustomize(folder: string, before: readonly Resource[] = []): Resource[] {
  const kustomization: Kustomization = parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8'), options)
  for (const key of Object.keys(kustomization)) if (!known.includes(key)) throw new Error(`${folder}: ${key}`)
  let resources = [...before, ...(kustomization.resources ?? []).flatMap((name) => read(join(folder, name)))]
  resources = withConfigMaps(resources, folder, kustomization)
  for (const patch of kustomization.patches ?? []) apply(resources, patch)
  for (const component of kustomization.components ?? []) resources = kustomize(join(folder, component), resources)
  return resources
}

function read(path: string): Resource[] {
  if (statSync(path).isDirectory()) return kustomize(path)
  return parseAllDocuments(readFileSync(path, 'utf8'), options).map((document) => document.toJS())
}

function withConfigMaps(before: readonly Resource[], folder: string, { configMapGenerator = [] }: Kustomization) {
  const resources = [...before]
  for (const { name, behavior, files } of configMapGenerator) {
    const data = Object.fromEntries(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]))
    const at = resources.findIndex(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name)
    if ((behavior === 'merge') !== at >= 0) throw new Error(`${folder}: ConfigMap ${name}`)
    const merged = { ...(resources[at]?.data as object), ...data }
    const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: merged }
    if (at < 0) resources.push(configMap)
    else resources[at] = configMap
  }
  return resources
}

type Patch = NonNullable<Kustomization['patches']>[number]

/** JSON Patch (RFC 6902), of which only "add at the end of a list" is used. */
function apply(resources: Resource[], { target, patch }: Patch): void {
  const at = resources.findIndex(({ kind, metadata }) => kind === target.kind && metadata.name === target.name)
  if (at < 0) throw new Error(`No ${target.kind} ${target.name}`)
  const patched = structuredClone(resources[at]) as Resource
  for (const { op, path, value } of parse(patch, options)) {
    const keys: string[] = path.split('/').slice(1)
    if (op !== 'add' || keys.pop() !== '-') throw new Error(`${op} ${path}`)
    const list = keys.reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], patched)
    ;(list as unknown[]).push(value)
  }
  resources[at] = patched
}
