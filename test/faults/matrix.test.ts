import t from 'tap'
import { arrivalsOf, type Case, cases, expectedOf } from './cases.ts'
import { Harnesses } from './harness.ts'
import { forAll, observeInTime } from './in-time.ts'
import { type Observed, runCase } from './run-case.ts'

/** Cells that run at the same time: most of what they do is wait. */
const atOnce = 48

t.test('every case of the matrix', async (t) => {
  const before = openSockets()
  const harnesses = new Harnesses()
  await forAll(cases, atOnce, async (testCase) => {
    const expected = expectationOf(testCase)
    const observed = await observeInTime(expected, () => runCase(testCase, harnesses).catch(failed))
    t.same(observed, expected, nameOf(testCase))
  })
  await harnesses.close()
  t.equal(openSockets(), before, 'no socket is left of all of them together')
})

function failed(error: unknown): Observed {
  return { outcome: String(error), arrived: 0, wrong: [] }
}

function expectationOf(testCase: Case): Observed {
  return { outcome: expectedOf(testCase), arrived: arrivalsOf(testCase), wrong: [] }
}

function nameOf({ group, fault, service, client }: Case): string {
  return `${service}, a client that ${client}: ${group} ${fault.name}`
}

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length
}
