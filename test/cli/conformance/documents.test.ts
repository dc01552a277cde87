import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { sources } from '../../../src/cli/conformance/sources.ts'
import type { Statement } from '../../../src/cli/conformance/statement.ts'
import { groups } from '../../../src/cli/conformance/statements.ts'

const statements = groups.flatMap((group) => group.statements)
const ids = statements.map(({ id }) => id)

function read(path: string): string {
  return readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
}

t.test('each statement says what it relies on, how sure that is, and what a difference means', async (t) => {
  t.equal(new Set(ids).size, ids.length, 'each id once')
  const wrong = (isRight: (statement: Statement) => boolean) =>
    statements.filter((statement) => !isRight(statement)).map(({ id }) => id)
  t.same(
    wrong(({ id }) => /^[a-z]+\.[\w.-]+$/.test(id)),
    [],
    'group and name',
  )
  t.same(
    wrong(({ certainty, sources: keys }) => certainty === 'assumed' || keys.length > 0),
    [],
    'a source',
  )
  t.same(
    wrong(({ expected }) => expected.length > 0 && new Set(expected).size === expected.length),
    [],
    'what is expected',
  )
  t.same(
    wrong(({ reliedOn }) => reliedOn !== '' && !reliedOn.endsWith('.')),
    [],
    'what is relied on, without a final stop',
  )
  t.same(
    wrong(({ difference }) => difference.endsWith('.')),
    [],
    'sentences on what a difference means',
  )
})

t.test('docs/development/google.md names each statement, and no other', async (t) => {
  const page = read('docs/development/google.md')
  const rows = page.split('\n').filter((line) => line.startsWith('| '))
  const named = rows.flatMap((row) =>
    [...(row.split(' | ').at(-1) ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  )
  const files = named.filter((name) => name.endsWith('.ts'))
  t.same(
    files.filter((file) => !existsSync(fileURLToPath(new URL(`../../../${file}`, import.meta.url)))),
    [],
    'the tests that it names exist',
  )
  const patterns = named.filter((name) => !name.endsWith('.ts'))
  t.same(
    patterns.filter((pattern) => !ids.some((id) => matches(id, pattern))),
    [],
    'the statements that it names exist',
  )
  t.same(
    ids.filter((id) => !patterns.some((pattern) => matches(id, pattern))),
    [],
    'it names all statements',
  )
})

t.test('docs/development/google.md says how sure each statement is, and has its sources', async (t) => {
  const page = read('docs/development/google.md')
  const rows = page.split('\n').filter((line) => /^\| .*`[a-z]+\.[\w.*-]+`/.test(line))
  t.ok(rows.length > 40, `${rows.length} rows are found`)
  const lacking = statements.flatMap(({ id, certainty, sources: keys }) => {
    const row = rows.find((line) => [...line.matchAll(/`([^`]+)`/g)].some(([, name = '']) => matches(id, name))) ?? ''
    const [, , sure = '', named = ''] = row.split('|')
    return [...(sure.includes(certainty) ? [] : [certainty]), ...keys.filter((key) => !named.includes(key))].map(
      (word) => `${id}: ${word}`,
    )
  })
  t.same(lacking, [])
  for (const [key, { url }] of Object.entries(sources)) {
    t.ok(
      page.split('\n').some((line) => line.startsWith(`| ${key} | [`) && line.includes(url)),
      `${key} is linked`,
    )
  }
})

function matches(id: string, pattern: string): boolean {
  return pattern.endsWith('*') ? id.startsWith(pattern.slice(0, -1)) : id === pattern
}
