import { readFileSync } from 'node:fs'
import t from 'tap'
import { needsOrthanc } from '../helpers/orthanc.ts'
import { rowOf } from './document.ts'
import { faults } from './faults.ts'
import { runFault } from './run-fault.ts'

const document = readFileSync(new URL('../../docs/check.md', import.meta.url), 'utf8')
/** Tokens, keys, passwords. */
const secrets = /ya29\.|PRIVATE KEY|1\/\/|user:wrong|another password|a long password/

for (const [group, inGroup] of Object.entries(faults)) {
  t.test(group, async (t) => {
    // Each breaks a stage of its own, and most of them wait.
    t.jobs = 3
    for (const fault of inGroup) {
      t.test(fault.name, fault.needsOrthanc ? needsOrthanc() : {}, async (t) => {
        const observed = await runFault(fault)
        const failed = observed.results.filter(({ status }) => status === 'failed')
        t.same(
          failed.map(({ failure }) => failure?.code),
          fault.codes,
        )
        t.equal(observed.exitCode, fault.exitCode)
        t.ok(document.includes(`${rowOf(fault, observed)}\n`), 'docs/check.md says so; if not: npm run check:faults')
        for (const { failure } of failed) t.match(failure?.remedy, /^[A-Z][a-z]+,? /, 'begins with a verb')
        t.notMatch(JSON.stringify(observed.results), secrets)
      })
    }
  })
}

t.test('each has a cause and a remedy of its own', async (t) => {
  const rows = [...document.matchAll(/^\| … (.+?) \| (.+?) \| (.+?) \| `[a-z-]+`, \d+ \|$/gm)]
  const all = Object.values(faults).flat()
  t.same(
    rows.map(([, name]) => name),
    all.map(({ name }) => name),
    'all are documented, in their order',
  )
  const causes = rows.map(([, , cause]) => cause)
  t.equal(new Set(causes).size, causes.length, 'no two causes are the same')
  t.notOk(
    rows.some(([, , , remedy = '']) => remedy.trim().length < 10),
    'none is without a remedy',
  )
})
