import { test } from 'tap'
import { UnderWay } from '../../src/observe/under-way.ts'

test('what is under way stays in the order in which it came', (t) => {
  const underWay = new UnderWay<string>()
  for (const name of ['a', 'b', 'c', 'd']) underWay.add(name)
  t.equal(underWay.remove('b'), true)
  t.equal(underWay.remove('never came'), false)
  t.same([...underWay], ['a', 'c', 'd'])
  t.same([underWay.oldest, underWay.newest], ['a', 'd'])
  underWay.remove('d')
  underWay.remove('a')
  t.same([...underWay], ['c'])
  t.equal(underWay.size, 1)
  t.end()
})
