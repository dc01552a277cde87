import { Clock } from '@tapjs/clock'
import t from 'tap'
import { Pace } from '../../src/forward/pace.ts'

/** Stalls told while a body comes by so many bytes a second, for two minutes. */
function stalls(bytesPerSecond: number, crowded: boolean, idle = 60_000): number {
  const clock = new Clock()
  const leave = clock.enter()
  let bytes = 0
  let told = 0
  const pace = new Pace({ idle, minBodyRate: 16_384 }, { passed: () => bytes, crowded: () => crowded }, () => told++)
  for (let second = 0; second < 120; second++) {
    bytes += bytesPerSecond
    clock.advance(1000)
  }
  pace.stop()
  leave()
  return told
}

t.test('a body must make way; more of it while others wait for its place', async (t) => {
  t.equal(stalls(0, false), 2)
  t.equal(stalls(200, false), 2)
  t.equal(stalls(300, false), 0)
  t.equal(stalls(300, true), 12)
  t.equal(stalls(2000, true), 0)
  t.equal(stalls(0, false, 1000), 120, 'a short limit of its own')
})
