import t from 'tap'
import { closingLines, countTests, sumOf } from './tap-summary.ts'

t.test('counts assertions, not what holds them', async (t) => {
  const output = `TAP version 14
# Subtest: an upload
    ok 1 - it is stored
    ok 2 - all of it # SKIP missing peer: Orthanc
    not ok 3 - at once # TODO
    1..3
ok 1 - an upload # time=2ms
ok 2 - after all
not ok 3 - the end
1..3
`
  t.same(countTests(output), { passed: 2, failed: 1, skipped: 2 })
})

t.test('never looks fine when it was not', async (t) => {
  t.equal(countTests('').failed, 1, 'nothing was written')
  t.equal(countTests('TAP version 14\n1..0\n').failed, 1, 'nothing was tested')
  t.equal(countTests('TAP version 14\nok 1 - one\n').failed, 1, 'it broke off')
  t.equal(countTests('TAP version 14\nok 1 - one\n1..2\n').failed, 1, 'one is missing')
  const lost = '# Subtest: a\n    ok 1 - one\n    1..1\nnot ok 1 - a\n1..1\n'
  t.same(countTests(lost), { passed: 1, failed: 1, skipped: 0 }, 'a subtest failed for another reason')
  const one = { passed: 1, failed: 0, skipped: 0 }
  t.same(sumOf([one, one], 2), { passed: 2, failed: 0, skipped: 0 })
  t.equal(sumOf([one, { ...one, failed: 2 }], 2).failed, 2)
  t.equal(sumOf([one], 2).failed, 1, 'a file did not run')
  t.equal(sumOf([], 0).failed, 1, 'no file ran')
  t.equal(sumOf([{ passed: 0, failed: 0, skipped: 3 }], 1).failed, 1, 'nothing but skipped tests')
})

t.test('ends with the missing peers, then the counts', async (t) => {
  const output = 'ok 2 - one # SKIP missing peer: Orthanc\n    ok 1 - missing peer: Chromium # SKIP\n'
  t.same(closingLines(output + output, { passed: 8, failed: 0, skipped: 4 }), [
    'missing peer: Orthanc',
    'missing peer: Chromium',
    '8 passed, 0 failed, 4 skipped',
  ])
  t.same(closingLines('ok 1 - one\n', { passed: 8, failed: 0, skipped: 0 }), ['8 passed, 0 failed'])
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
`
  t.same(closingLines(output, countTests(output)), [
    'failed: test/a.test.ts > an upload > the bytes are those sent',
    '    diff: -2',
    '    +1',
    'failed: test/b.test.ts',
    '    signal: SIGKILL',
    '1 passed, 2 failed',
  ])
})
