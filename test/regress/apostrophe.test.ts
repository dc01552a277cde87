import { test } from 'tap'
import { brief, judge } from '../guard/judge.ts'

/**
 * URL parsers encode it in a query: what went out was not in the one spelling that all of them
 * agree on. Found by fast-check.
 */
test('an apostrophe in a value goes out encoded', (t) => {
  for (const name of ["O'Brien", 'O%27Brien']) {
    t.equal(brief(judge('GET', `/a/studies?PatientName=${name}`)), 'QIDO-RS /studies?PatientName=O%27Brien')
  }
  t.end()
})
