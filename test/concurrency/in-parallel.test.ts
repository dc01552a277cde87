import t from 'tap'
import { inParallel } from '../../src/concurrency/in-parallel.ts'

t.test('each item once, and no more than so many at the same time', async (t) => {
  const done: number[] = []
  let inFlight = 0
  let most = 0
  await inParallel(
    Array.from({ length: 20 }, (_, at) => at),
    3,
    async (item) => {
      most = Math.max(most, ++inFlight)
      await new Promise(setImmediate)
      inFlight--
      done.push(item)
    },
  )
  t.equal(most, 3)
  t.equal(done.length, 20)
  t.equal(new Set(done).size, 20)
})

t.test('after a failure none is begun, and those that run are waited for', async (t) => {
  const begun: number[] = []
  let ended = 0
  const running = inParallel([1, 2, 3, 4, 5, 6], 2, async (item) => {
    begun.push(item)
    if (item === 1) throw new Error('first')
    await new Promise(setImmediate)
    ended++
    if (item === 2) throw new Error('second')
  })
  await t.rejects(running, { message: 'first' })
  t.same(begun, [1, 2])
  t.equal(ended, 1)
})
