import { test } from 'tap'
import { brief, judge } from '../guard/judge.ts'

/**
 * Half a surrogate pair made the guard itself fail, and raw UTF-8 read byte by byte was encoded as
 * other letters. Node's own parser refuses both, today.
 */
test('characters that must be percent-encoded are refused where they are not', (t) => {
  for (const raw of ['M\u00c3\u00bcller', 'M\u00fcller', '\u5f71', '\ud800', '\udc00', 'a b', '\u0085']) {
    t.equal(brief(judge('GET', `/a/studies?PatientName=${raw}`)), '400 malformed-request', JSON.stringify(raw))
    t.match(brief(judge('GET', `/a/studies?${raw}=x`)), '400 malformed-request', JSON.stringify(raw))
    t.match(brief(judge('GET', `/a/studies/${raw}`)), '400 malformed-request', JSON.stringify(raw))
  }
  t.equal(brief(judge('GET', '/a/studies?PatientName=M%C3%BCller')), 'QIDO-RS /studies?PatientName=M%C3%BCller')
  t.end()
})
