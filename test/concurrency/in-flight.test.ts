import { test } from 'tap'
import { InFlight } from '../../src/concurrency/in-flight.ts'

test('what is in flight stays in the order of arrival', (t) => {
  const inFlight = new InFlight<string>()
  for (const name of ['a', 'b', 'c', 'd']) inFlight.add(name)
  t.equal(inFlight.remove('b'), true)
  t.equal(inFlight.remove('never came'), false)
  t.same([...inFlight], ['a', 'c', 'd'])
  t.same([inFlight.oldest, inFlight.newest], ['a', 'd'])
  inFlight.remove('d')
  inFlight.remove('a')
  t.same([...inFlight], ['c'])
  t.equal(inFlight.size, 1)
  t.end()
})
