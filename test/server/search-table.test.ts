import { readFileSync } from 'node:fs'
import t from 'tap'
import { attributeKeywords, attributes } from '../../src/guard/attributes.ts'
import { startServed } from '../helpers/served.ts'

// Each cell of the table in docs/search.md, tried through the proxy at the emulator, which refuses
// what Google doesn't document.

const levels = ['studies', 'series', 'instances'] as const

interface Row {
  readonly keywords: readonly string[]
  /** By level: the attribute with a value, then without one. */
  readonly cells: readonly string[]
}

function readTable(): Row[] {
  const page = readFileSync(new URL('../../docs/search.md', import.meta.url), 'utf8')
  const [, table = ''] = page.split('| attribute | studies | series | instances |')
  return [...table.matchAll(/^\| (`[^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm)].map(([, names = '', ...cells]) => ({
    keywords: [...names.matchAll(/`(\w+)`/g)].map(([, keyword = '']) => keyword),
    cells,
  }))
}

function sampleValue(keyword: string): string {
  if (keyword.endsWith('UID')) return '1.2.3'
  return keyword.endsWith('Date') ? '20240101' : 'X'
}

t.test('docs/search.md tells what becomes of each attribute', async (t) => {
  const { url, emulator } = await startServed(t)
  const table = readTable()
  t.same(table.flatMap(({ keywords }) => keywords).sort(), [...attributeKeywords].sort(), 'each attribute once')

  const search = async (path: string) => {
    const response = await fetch(url + path)
    await response.arrayBuffer()
    const [, query = ''] = emulator.log.at(-1)?.target.split('?') ?? []
    return { status: response.status, query }
  }
  const withValue = async (level: string, keyword: string) => {
    const key = `${keyword}=${sampleValue(keyword)}`
    const { status, query } = await search(`${level}?${key}`)
    t.equal(query, key, 'as the client wrote it')
    return status === 400 ? 'refused' : status === 200 && 'passed on'
  }
  const withoutValue = async (level: string, name: string, key: string) => {
    const { status, query } = await search(`${level}?${key}`)
    if (status !== 200) return `${status}`
    return query === '' ? 'left out' : query === `includefield=${name}` && 'completed'
  }

  for (const { keywords, cells } of table) {
    for (const [at, level] of levels.entries()) {
      for (const keyword of keywords) {
        const found = [await withValue(level, keyword), await withoutValue(level, keyword, keyword)]
        t.equal(found.join(', '), cells[at], `${keyword}, ${level}`)
        const tag = attributes[keyword] ?? ''
        t.equal(await withoutValue(level, tag, `${tag}=`), found[1], `${tag}=, ${level}`)
      }
    }
  }
})
