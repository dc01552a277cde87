import t from 'tap'
import { closingLines, countTests } from './tap-summary.ts'

const totals = (text: string) => `ok 1 - test/a.test.ts\n\n# No coverage generated\n# { ${text} }\n# time=1.5ms\n`

t.test('counts what tap counts', async (t) => {
  t.same(countTests(totals('total: 12, pass: 12'), 0), { passed: 12, failed: 0, skipped: 0 })
  t.same(countTests(totals('total: 10, pass: 4, fail: 2, todo: 1, skip: 3'), 1), { passed: 4, failed: 2, skipped: 4 })
})

t.test('never looks fine when it was not', async (t) => {
  t.equal(countTests('', 1).failed, 1, 'tap did not start')
  t.equal(countTests('', 0).failed, 1, 'nothing was tested')
  t.equal(countTests(totals('total: 3, skip: 3'), 0).failed, 1, 'nothing but skipped tests')
  t.equal(countTests(totals('total: 3, pass: 3'), 1).failed, 1, 'tap failed for another reason')
})

t.test('ends with the missing peers, then the counts', async (t) => {
  const skipped = 'ok 2 - one # SKIP missing peer: Orthanc\n    ok 1 - missing peer: Chromium # SKIP\n'
  const output = skipped + skipped + totals('total: 12, pass: 8, skip: 4')
  t.same(closingLines(output, countTests(output, 0)), [
    'missing peer: Orthanc',
    'missing peer: Chromium',
    '8 passed, 0 failed, 4 skipped',
  ])
  const whole = totals('total: 8, pass: 8')
  t.same(closingLines(whole, countTests(whole, 0)), ['8 passed, 0 failed'])
})

t.test('says again at the end what failed, each once', async (t) => {
  const output = `TAP version 14
# Subtest: test/a.test.ts
    # Subtest: an upload
        ok 1 - it is stored
        not ok 2 - the bytes are those sent
          ---
          source: |
            t.equal(stored, sent)
          diff: |
            -2
            +1
          ...
        1..2
    not ok 1 - an upload # time=2ms
    1..1
not ok 1 - test/a.test.ts # time=3ms
not ok 2 - test/b.test.ts
  ---
  signal: SIGKILL
  command: node
  ...
1..2
# { total: 3, pass: 1, fail: 2 }
`
  t.same(closingLines(output, countTests(output, 1)), [
    'failed: test/a.test.ts > an upload > the bytes are those sent',
    '    diff: -2',
    '    +1',
    'failed: test/b.test.ts',
    '    signal: SIGKILL',
    '1 passed, 2 failed',
  ])
})
