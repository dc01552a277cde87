import { readFileSync } from 'node:fs'
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { attributeKeywords, attributes } from '../../src/guard/attributes.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

// Each cell of the table in docs/search.md, tried through the proxy at the emulator, which refuses
// what Google doesn't document: without SearchCompletion, and with it.

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
  if (keyword.endsWith('Date')) return '20240101'
  return keyword.endsWith('Time') ? '1015' : 'X'
}

/** A cell's two halves, each without and with SearchCompletion. */
function halvesOf(cell: string): string[] {
  return cell.split(', ').flatMap((half) => {
    const [without = '', completed = without] = half.split(' → ')
    return [without, completed]
  })
}

t.test('docs/search.md tells what becomes of each attribute', async (t) => {
  const { url, emulator, proxy } = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      completing: { ...demoAccount, ServiceAccountFile: serviceAccountFile, SearchCompletion: {} },
    }),
  })
  const completing = proxy.accountUrls.get('completing') ?? ''
  await fetch(`${url}studies`, stowOf([...syntheticStudy({ instances: 1, rows: 8, columns: 8 })]))
  const table = readTable()
  t.same(table.flatMap(({ keywords }) => keywords).sort(), [...attributeKeywords].sort(), 'each attribute once')

  const search = async (root: string, path: string) => {
    const response = await fetch(root + path)
    const text = await response.text()
    const [, query = ''] = emulator.log.at(-1)?.target.split('?') ?? []
    const rows: object[] = response.status === 200 ? JSON.parse(text) : []
    return { status: response.status, query, rows }
  }
  const withValue = async (root: string, level: string, keyword: string) => {
    const key = `${keyword}=${sampleValue(keyword)}`
    const { status, query } = await search(root, `${level}?${key}`)
    if (status !== 400 && query !== key) return 'completed'
    t.equal(query, key, 'as the client wrote it')
    return status === 400 ? 'refused' : status === 200 && 'passed on'
  }
  const withoutValue = async (root: string, level: string, name: string, key: string, tag: string) => {
    const { status, query, rows } = await search(root, `${level}?${key}`)
    if (status !== 200) return `${status}`
    if (query === `includefield=${name}`) return 'completed'
    if (query === '') return 'left out'
    return rows.some((row) => tag in row) && 'completed'
  }

  for (const { keywords, cells } of table) {
    for (const [at, level] of levels.entries()) {
      for (const keyword of keywords) {
        const tag = attributes[keyword] ?? ''
        const halves = halvesOf(cells[at] ?? '')
        for (const [which, root] of [url, completing].entries()) {
          const found = [await withValue(root, level, keyword), await withoutValue(root, level, keyword, keyword, tag)]
          t.equal(found.join(', '), `${halves[which]}, ${halves[2 + which]}`, `${keyword}, ${level}`)
          t.equal(await withoutValue(root, level, tag, `${tag}=`, tag), halves[2 + which], `${tag}=, ${level}`)
        }
      }
    }
  }
})
