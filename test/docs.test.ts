import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
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
