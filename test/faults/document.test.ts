import { readFileSync } from 'node:fs'
import t from 'tap'
import { documentText } from './document.ts'

t.test('docs/faults.md is what `npm run faults` writes', (t) => {
  const written = readFileSync(new URL('../../docs/faults.md', import.meta.url), 'utf8')
  t.equal(written, documentText())
  t.end()
})
