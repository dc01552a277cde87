import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { retiredKey, retiredKeys } from '../../src/config/retired.ts'
import { applySchema } from '../../src/config/schema.ts'
import { keys } from './schema-keys.ts'

test('a retired key is known by its whole path', async (t) => {
  t.match(retiredKey(['DicomWebProxy', 'Workers']), {
    problem: 'is retired',
    remedy: /^remove it; .*\(docs\/operations\.md#replicas\)$/,
  })
  t.equal(retiredKey(['DicomWebProxy', 'Listen']), undefined)
  t.equal(retiredKey(['GoogleCloudPlatform', 'Workers']), undefined)
  t.equal(retiredKey(['DicomWebProxy', 'Orthanc', 'Workers']), undefined)
  t.equal(retiredKey(['DicomWebProxy', 'Workers', 0]), undefined)
})

for (const [pattern, advice] of Object.entries(retiredKeys)) {
  test(`${pattern} is refused with what to do instead`, async (t) => {
    const path = pattern.split('.').map((segment) => (segment === '*' ? 'any' : segment))
    const content = path.reduceRight<unknown>((value, key) => ({ [key]: value }), 1) as Record<string, unknown>
    const findings = applySchema(content).findings.filter((finding) => finding.path.join('.') === path.join('.'))
    t.strictSame(findings, [{ path, problem: 'is retired', remedy: advice }])
    t.match(advice, /^[a-z].*[^.]$/)
    for (const [, page = '', anchor = ''] of advice.matchAll(/(docs\/[\w-]+\.md)#([\w-]+)/g)) {
      const headings = readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8').match(/^#+ .*/gm) ?? []
      const anchors = headings.map((heading) => heading.replace(/^#+ /, '').toLowerCase().replaceAll(' ', '-'))
      t.ok(anchors.includes(anchor), `${page}#${anchor} is there`)
    }
  })
}

test('a key that was renamed has another one of the schema in its place', async (t) => {
  const known = keys().map(([path]) => path)
  for (const [pattern, advice] of Object.entries(retiredKeys)) {
    t.notOk(known.includes(pattern), pattern)
    const [, name] = /^rename it to (\S+)$/.exec(advice) ?? []
    if (name !== undefined) t.ok(known.includes(name), name)
  }
})
