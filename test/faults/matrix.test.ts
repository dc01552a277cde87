import t from 'tap'
import { runCell } from './cell.ts'
import { attemptsOf, type Cell, cells, expectedOf } from './cells.ts'
import { Stages } from './stage.ts'

/** Cells that run at the same time: most of what they do is wait. */
const atOnce = 64

t.test('every cell of the matrix', async (t) => {
  const before = openSockets()
  const stages = new Stages()
  const waiting = [...cells.entries()]
  const work = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [number, cell] = next
      const observed = await runCell(cell, stages, number).catch((error: unknown) => ({ failure: String(error) }))
      t.match(observed, expectationOf(cell), nameOf(cell))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  await stages.close()
  t.equal(openSockets(), before, 'no socket is left of all of them together')
})

function expectationOf(cell: Cell) {
  const { service, client, fault } = cell
  const arrived = fault.arrivesNever ? 0 : attemptsOf(cell)
  const isHalf = service === 'STOW-RS' && client === 'leaves'
  return { outcome: expectedOf(cell), arrived, wrong: [], ...(isHalf && { whole: 0 }) }
}

function nameOf({ group, fault, service, client }: Cell): string {
  return `${service}, a client that ${client}: ${group} ${fault.name}`
}

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length
}
