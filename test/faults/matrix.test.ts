import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { type Observed, runCell } from './cell.ts'
import { attemptsOf, type Cell, cells, expectedOf } from './cells.ts'
import { Stages } from './stage.ts'

/** Cells that run at the same time: most of what they do is wait. */
const atOnce = 48
/** Milliseconds that this process may be late: a busy machine is not what is tested, and limits of time mean nothing then. */
const mostLate = 100
const mostRuns = 5

t.test('every cell of the matrix', async (t) => {
  const before = openSockets()
  const stages = new Stages()
  const waiting = [...cells]
  const work = async () => {
    for (let cell = waiting.shift(); cell; cell = waiting.shift()) {
      const expected = expectationOf(cell)
      t.same(await observe(cell, expected, stages), expected, nameOf(cell))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  await stages.close()
  t.equal(openSockets(), before, 'no socket is left of all of them together')
})

/** Runs a cell; once more if it came out otherwise while this process was late. */
async function observe(cell: Cell, expected: Observed, stages: Stages): Promise<Observed> {
  for (let run = 1; ; run++) {
    await calm()
    const lateness = monitorEventLoopDelay({ resolution: 10 })
    lateness.enable()
    const observed = await runCell(cell, stages).catch(failed)
    lateness.disable()
    const isLate = lateness.max / 1e6 > mostLate
    if (isDeepStrictEqual(observed, expected) || !isLate || run === mostRuns) return observed
  }
}

function failed(error: unknown): Observed {
  return { outcome: String(error), arrived: 0, wrong: [] }
}

/** Resolves when this process keeps up. */
async function calm(): Promise<void> {
  for (let late = Number.POSITIVE_INFINITY; late > mostLate / 5; ) {
    const before = performance.now()
    await delay(5)
    late = performance.now() - before - 5
  }
}

function expectationOf(cell: Cell): Observed {
  const arrived = cell.fault.arrivesNever ? 0 : attemptsOf(cell)
  return { outcome: expectedOf(cell), arrived, wrong: [] }
}

function nameOf({ group, fault, service, client }: Cell): string {
  return `${service}, a client that ${client}: ${group} ${fault.name}`
}

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length
}
