import t from 'tap'
import { attemptsOf, type Case, cases, expectedOf } from './cases.ts'
import { Stages } from './harness.ts'
import { forAll, observeInTime } from './in-time.ts'
import { type Observed, runCase } from './run-case.ts'

/** Cells that run at the same time: most of what they do is wait. */
const atOnce = 48

t.test('every cell of the matrix', async (t) => {
  const before = openSockets()
  const stages = new Stages()
  await forAll(cases, atOnce, async (cell) => {
    const expected = expectationOf(cell)
    const observed = await observeInTime(expected, () => runCase(cell, stages).catch(failed))
    t.same(observed, expected, nameOf(cell))
  })
  await stages.close()
  t.equal(openSockets(), before, 'no socket is left of all of them together')
})

function failed(error: unknown): Observed {
  return { outcome: String(error), arrived: 0, wrong: [] }
}

function expectationOf(cell: Case): Observed {
  const arrived = cell.fault.arrivesNever ? 0 : attemptsOf(cell)
  return { outcome: expectedOf(cell), arrived, wrong: [] }
}

function nameOf({ group, fault, service, client }: Case): string {
  return `${service}, a client that ${client}: ${group} ${fault.name}`
}

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length
}
