import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'

/** Path below src or bench, with slashes -> text. */
type Sources = ReadonlyMap<string, string>

/** From each node to those that it imports. */
type Graph = ReadonlyMap<string, readonly string[]>

/**
 * Imports point one way (docs/adr/0001): a folder may import from itself and from the rows before
 * its own.
 */
const rows = [
  ['config'],
  ['stores'],
  ['credentials'],
  ['guard'],
  ['downstream'],
  ['forward'],
  ['server'],
  ['admin', 'orthanc'],
  ['proxy'],
  ['cli'],
  ['main.ts'],
]
/** Files that import nothing of the proxy; all of the proxy may use them. */
const leaves = [
  'bounded-files.ts',
  'errors.ts',
  'invocation.ts',
  'network-failure.ts',
  'outside-words.ts',
  'small-response.ts',
  'version.ts',
]
/** These packages are fenced in: docs/adr says why. */
const homes: Readonly<Record<string, readonly string[]>> = {
  'google-auth-library': ['credentials'],
  // Tokens; and bounded tables that unauthenticated clients could fill.
  'lru-cache': ['credentials', 'guard'],
  'http-proxy': ['forward'],
  'prom-client': ['observe'],
  '@opentelemetry/api': ['observe'],
  '@opentelemetry/exporter-trace-otlp-http': ['observe'],
  '@opentelemetry/resources': ['observe'],
  '@opentelemetry/sdk-trace': ['observe', 'cli'],
}
/**
 * Folders that may touch `process`. orthanc starts programs, which need the environment and end
 * with this one; invocation.ts says how this one was started.
 */
const processUsers = ['main.ts', 'invocation.ts', 'cli', 'proxy', 'orthanc']

function rowOf(folder: string): number {
  return rows.findIndex((row) => row.includes(folder))
}

function isKnown(folder: string): boolean {
  return rowOf(folder) >= 0 || leaves.includes(folder) || ['concurrency', 'observe', 'emulator'].includes(folder)
}

function mayImport(from: string, to: string): boolean {
  if (from === to && !leaves.includes(from)) return true
  if (from === 'emulator' || leaves.includes(from)) return false
  if (to === 'emulator') return from === 'cli'
  if (leaves.includes(to)) return true
  if (from === 'concurrency') return false
  if (to === 'concurrency') return true
  if (from === 'observe') return to === 'config'
  return to === 'observe' || rowOf(to) < rowOf(from)
}

/** First folder of a path; a file outside of any folder stands for itself. */
function folderOf(path: string): string {
  return path.split('/')[0] ?? ''
}

const statement = /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]/gm
const call = /\b(?:import|require)\s*\(\s*(?:['"]([^'"]+)['"]\s*\)|(?!\s))/g

/**
 * What a source imports, including types and imports at run time; null for a name that only the
 * running program knows.
 */
function importsOf(source: string): (string | null)[] {
  const code = withoutComments(source)
  const found = [...code.matchAll(statement), ...code.matchAll(call)]
  return found.map(([, name, other]) => name ?? other ?? null)
}

/** A line comment begins after a blank, so `https://` in a text isn't one. */
function withoutComments(source: string): string {
  return source.replace(/(^|\s)\/\*[\s\S]*?\*\//g, '$1').replace(/(^|\s)\/\/.*$/gm, '$1')
}

/** `ajv/dist/2020.js` belongs to `ajv`, `@scope/name/part` to `@scope/name`. */
function packageOf(name: string): string {
  return name.split('/', name.startsWith('@') ? 2 : 1).join('/')
}

function violations(sources: Sources): string[] {
  const each = [...sources].flatMap(([path, source]) => [...wrongImports(path, source), ...wrongGlobals(path, source)])
  return [...each, ...cycles(fileGraph(sources))]
}

/** The folders of bench have no order of their own: any order will do. */
function benchCycles(sources: Sources): string[] {
  const files = fileGraph(sources)
  return [...cycles(files), ...cycles(folderGraph(files))]
}

function wrongImports(path: string, source: string): string[] {
  const from = folderOf(path)
  if (!isKnown(from)) return [`${path}: src/${from} has no place in test/imports.test.ts`]
  return importsOf(source).flatMap((name) => {
    if (name === null) return [`${path}: imports something that cannot be read off the source`]
    if (name.startsWith('.')) {
      const to = folderOf(resolved(path, name))
      return mayImport(from, to) ? [] : [`${path}: ${from} must not import ${to}`]
    }
    const home = homes[name]
    return !home || home.includes(from) ? [] : [`${path}: ${name} is for ${home.join(' and ')} alone`]
  })
}

function wrongGlobals(path: string, source: string): string[] {
  if (processUsers.includes(folderOf(path))) return []
  const used = /\bprocess\s*(\?\.|[.[])|\bglobalThis\.process\b|['"](node:)?process['"]/.test(withoutComments(source))
  return used ? [`${path}: only ${processUsers.join(', ')} may use process`] : []
}

function resolved(path: string, name: string): string {
  return posix.normalize(posix.join(dirname(path), name))
}

function fileGraph(sources: Sources): Graph {
  const targets = (path: string, source: string) =>
    importsOf(source).flatMap((name) => (name?.startsWith('.') ? [resolved(path, name)] : []))
  return new Map([...sources].map(([path, source]) => [path, targets(path, source)]))
}

function folderGraph(files: Graph): Graph {
  const folders = new Map<string, string[]>()
  for (const [path, targets] of files) {
    const from = folderOf(path)
    const others = targets.map(folderOf).filter((to) => to !== from)
    folders.set(from, [...(folders.get(from) ?? []), ...others])
  }
  return folders
}

/** Each cycle once, as the nodes that it leads through. */
function cycles(graph: Graph): string[] {
  const done = new Set<string>()
  const found: string[] = []
  const visit = (node: string, way: readonly string[]): void => {
    const at = way.indexOf(node)
    if (at >= 0) found.push(`cycle: ${[...way.slice(at), node].join(' -> ')}`)
    if (at >= 0 || done.has(node)) return
    for (const target of graph.get(node) ?? []) visit(target, [...way, node])
    done.add(node)
  }
  for (const node of graph.keys()) visit(node, [])
  return found
}

function readSources(root: 'src' | 'bench' = 'src'): Sources {
  const folder = fileURLToPath(new URL(`../${root}`, import.meta.url))
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  return new Map(paths.map((path) => [path.replaceAll('\\', '/'), readFileSync(join(folder, path), 'utf8')]))
}

test('imports point one way', async (t) => {
  const sources = readSources()
  t.ok(sources.size > 50, 'the sources are read')
  t.ok(
    importsOf(sources.get('cli/serve/serve.ts') ?? '').includes('../../config/settings.ts'),
    'their imports are found',
  )
  t.same(violations(sources), [])
})

test('the benchmark has no cycles, neither of files nor of folders', async (t) => {
  const sources = readSources('bench')
  t.ok(sources.size > 50, 'the sources are read')
  t.same(benchCycles(sources), [])
  const wrong = new Map([
    ['a.ts', "import './load/b.ts'"],
    ['load/b.ts', "import '../c.ts'"],
    ['c.ts', "import './load/d.ts'"],
    ['load/d.ts', ''],
  ])
  t.same(benchCycles(wrong), ['cycle: load -> c.ts -> load'], 'a cycle between folders is noticed')
})

test('what the program imports is installed with it', async (t) => {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const named = [...readSources().values()].flatMap(importsOf)
  const packages = named.flatMap((name) => (name && !/^(\.|node:)/.test(name) ? [packageOf(name)] : []))
  t.ok(packages.includes('google-auth-library'), 'packages are found')
  const missing = packages.filter((name) => !Object.hasOwn(manifest.dependencies, name))
  t.same([...new Set(missing)], [], 'each is among the dependencies, not only among those for development')
})

test('wrong imports are noticed', async (t) => {
  const wrong: Record<string, [path: string, source: string, message: string]> = {
    backwards: ['config/a.ts', "import { x } from '../guard/x.ts'", 'config/a.ts: config must not import guard'],
    'a type': ['stores/a.ts', "import type { X } from '../cli/x.ts'", 'stores/a.ts: stores must not import cli'],
    'over many lines': [
      'guard/a.ts',
      "import {\n  x,\n} from '../forward/x.ts'",
      'guard/a.ts: guard must not import forward',
    ],
    're-export': ['guard/a.ts', "export * from '../server/x.ts'", 'guard/a.ts: guard must not import server'],
    'side effect': ['guard/a.ts', "import '../server/x.ts'", 'guard/a.ts: guard must not import server'],
    'at run time': ['guard/a.ts', "await import('../server/x.ts')", 'guard/a.ts: guard must not import server'],
    'in a type': ['guard/a.ts', "let x: import('../server/x.ts').X", 'guard/a.ts: guard must not import server'],
    hidden: ['guard/a.ts', 'await import(name)', 'guard/a.ts: imports something that cannot be read off the source'],
    sideways: ['admin/a.ts', "import { x } from '../orthanc/x.ts'", 'admin/a.ts: admin must not import orthanc'],
    'the emulator': [
      'server/a.ts',
      "import { x } from '../emulator/x.ts'",
      'server/a.ts: server must not import emulator',
    ],
    'by the emulator': [
      'emulator/b/a.ts',
      "import '../../errors.ts'",
      'emulator/b/a.ts: emulator must not import errors.ts',
    ],
    'by a leaf': [
      'errors.ts',
      "import './network-failure.ts'",
      'errors.ts: errors.ts must not import network-failure.ts',
    ],
    'by observe': ['observe/a.ts', "import '../guard/x.ts'", 'observe/a.ts: observe must not import guard'],
    'a package': ['server/a.ts', "import p from 'http-proxy'", 'server/a.ts: http-proxy is for forward alone'],
    'a folder': ['misc/a.ts', '', 'misc/a.ts: src/misc has no place in test/imports.test.ts'],
    environment: [
      'config/a.ts',
      'const a = process.env.A',
      'config/a.ts: only main.ts, invocation.ts, cli, proxy, orthanc may use process',
    ],
    module: [
      'config/a.ts',
      "import { env } from 'node:process'",
      'config/a.ts: only main.ts, invocation.ts, cli, proxy, orthanc may use process',
    ],
  }
  for (const [what, [path, source, message]] of Object.entries(wrong)) {
    t.same(violations(new Map([[path, source]])), [message], what)
  }
})

test('cycles are noticed, also within a folder', async (t) => {
  const sources = new Map([
    ['guard/a.ts', "import './b.ts'"],
    ['guard/b.ts', "import './c.ts'"],
    ['guard/c.ts', "import './b.ts'"],
  ])
  t.same(violations(sources), ['cycle: guard/b.ts -> guard/c.ts -> guard/b.ts'])
})

test('allowed imports pass', async (t) => {
  const right: [path: string, source: string][] = [
    ['server/a.ts', "import { x } from '../config/x.ts'\nimport { y } from '../observe/y.ts'\nimport '../errors.ts'"],
    ['observe/a.ts', "import type { X } from '../config/x.ts'"],
    ['cli/demo/a.ts', "import { x } from '../../emulator/x.ts'\nprocess.exit()"],
    ['forward/a.ts', "import p from 'http-proxy'"],
    ['main.ts', "const { run } = await import('./cli/program.ts')"],
    ['config/a.ts', "// production passes process.env\nconst a = 'https://example.com' // import '../cli/x.ts'"],
  ]
  for (const [path, source] of right) t.same(violations(new Map([[path, source]])), [], path)
})
