import { test } from 'tap'
import { UnderWay } from '../../src/observe/under-way.ts'

test('what is under way stays in the order in which it came', (t) => {
  const underWay = new UnderWay<string>()
  for (const name of ['a', 'b', 'c', 'd']) underWay.add(name)
  underWay.remove('b')
  underWay.remove('never came')
  t.same([...underWay], ['a', 'c', 'd'])
  underWay.remove('d')
  underWay.remove('a')
  t.same([...underWay], ['c'])
  t.equal(underWay.size, 1)
  t.end()
})
