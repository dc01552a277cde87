import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Test, test } from 'tap'
import { run } from '../src/cli/program.ts'
import { errorTable } from '../src/errors.ts'

const project = fileURLToPath(new URL('..', import.meta.url))
const pages = [
  'README.md',
  'SECURITY.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...globSync('docs/**/*.md', { cwd: project }),
]

function read(page: string): string {
  return readFileSync(join(project, page), 'utf8')
}

test('docs/errors.md has each code with its status, and no other', async (t) => {
  const rows = [...read('docs/errors.md').matchAll(/^\| `([a-z-]+)` \| (\d{3}) \|/gm)]
  const documented = rows.map(([, code, status]) => [code, Number(status)])
  t.same(Object.fromEntries(documented), statuses())
  t.equal(documented.length, Object.keys(errorTable).length, 'each once')
})

function statuses(): Record<string, number> {
  return Object.fromEntries(Object.entries(errorTable).map(([code, { status }]) => [code, status]))
}

test('links to files lead somewhere', async (t) => {
  for (const page of pages) {
    const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target ?? '')
    const files = links.filter((target) => !/^[a-z]+:/.test(target)).map((target) => target.replace(/#.*/, ''))
    const broken = files.filter((file) => file !== '' && !existsSync(join(project, dirname(page), file)))
    t.same(broken, [], page)
  }
})

test('links to headings lead somewhere', async (t) => {
  for (const page of pages) {
    const links = [...read(page).matchAll(/\]\(([^)\s:#]*)#([^)\s]+)\)/g)]
    for (const [, file, anchor = ''] of links) {
      const target = file ? join(dirname(page), file) : page
      t.ok(anchorsOf(read(target)).includes(anchor), `${page}: ${target}#${anchor}`)
    }
  }
})

/** As the common renderers make them of headings. */
function anchorsOf(text: string): string[] {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading)
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

test('rows stand in a table: a blank line would end it', async (t) => {
  const isRow = (line = '') => /^ *\|/.test(line)
  const isDelimiter = (line = '') => /^ *\|[ :|-]+$/.test(line)
  for (const page of pages) {
    const lines = read(page)
      .split(/^ *```/m)
      .filter((_, at) => at % 2 === 0)
      .join('')
      .split('\n')
    const stray = lines.filter((line, at) => isRow(line) && !isRow(lines[at - 1]) && !isDelimiter(lines[at + 1]))
    t.same(stray, [], page)
  }
})

/** Names in backticks. A record that was superseded describes what is gone. */
test('all pages name files of the source and of the tests that exist', async (t) => {
  const current = pages.filter((page) => !/^Status: superseded/m.test(read(page)))
  const named = current.flatMap((page) =>
    [...read(page).matchAll(/`((?:src|test|bench)\/[^`\s#]*|[\w/.-]+\.ts)`/g)].map(([, file = '']) => ({ page, file })),
  )
  t.ok(named.length > 100, `${named.length} names are found`)
  const there = ['src', 'test', 'bench'].flatMap((folder) => globSync(`${folder}/**`, { cwd: project }))
  const exists = (file: string) => there.some((path) => `/${path}`.endsWith(`/${file.replace(/\/$/, '')}`))
  t.same(
    named.filter(({ file }) => !exists(file) && globSync(file, { cwd: project }).length === 0),
    [],
  )
})

test('docs/architecture.md names files and functions that exist', async (t) => {
  const page = read('docs/architecture.md')
  const files = [...page.matchAll(/`([\w/*-]+\.[\w.]*(?:ts|json|md))`/g)].map(([, file = '']) => file)
  t.ok(files.length > 50, `${files.length} files are found`)
  const folders = ['', 'src/', 'test/regress/']
  const missing = files.filter((file) =>
    folders.every((folder) => globSync(folder + file, { cwd: project }).length === 0),
  )
  t.same(missing, [])
  const source = globSync('src/**/*.ts', { cwd: project }).map(read).join('')
  const functions = [...page.matchAll(/`(?:\w+\.)?(#?\w+)\(\)`/g)].map(([, name = '']) => name)
  t.ok(functions.length > 10, `${functions.length} functions are found`)
  t.same(
    functions.filter((name) => !source.includes(`${name}(`)),
    [],
  )
})

/** The long options that `--help` of a command lists. */
async function optionsOf(t: Test, command: string): Promise<readonly string[]> {
  const printed = t.capture(process.stdout, 'write')
  try {
    await run([command, '--help'])
  } finally {
    printed.restore()
  }
  const help = printed.args().flat().join('')
  return [...help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, option = '']) => option)
}

test('commands in the pages use options that exist, and tables of options have all of them', async (t) => {
  const commands = [
    ...['serve', 'check', 'client', 'compare', 'conformance'],
    ...['demo', 'emulator', 'health', 'register', 'schema'],
  ]
  const options = new Map<string, readonly string[]>()
  for (const command of commands) options.set(command, await optionsOf(t, command))
  let checked = 0
  for (const page of pages) {
    const lines = [...read(page).matchAll(/(?<!contenders )gcp-dicomweb-proxy(?:\.cmd)? ((?:[^\n`|]|\\\n)+)/g)]
    for (const [line, rest = ''] of lines) {
      const words = rest.split(/\s+/)
      const known = [...(options.get(words[0] ?? '') ?? options.get('serve') ?? []), '--help', '--version']
      const used = words.flatMap((word) => /^--[a-z][a-z-]*/.exec(word)?.[0] ?? [])
      checked += used.length
      t.same(
        used.filter((option) => !known.includes(option)),
        [],
        `${page}: ${line}`,
      )
    }
  }
  t.ok(checked > 50, `${checked} options are found`)
  for (const command of ['check', 'compare', 'conformance', 'emulator']) {
    const cells = [...read(`docs/${command}.md`).matchAll(/^\| (`--[^|]*) \|/gm)].map(([, cell = '']) => cell)
    const documented = cells.flatMap((cell) => [...cell.matchAll(/--[a-z-]+/g)].map(([option]) => option))
    t.same([...documented, '--help'].sort(), options.get(command)?.toSorted(), `docs/${command}.md`)
  }
})
