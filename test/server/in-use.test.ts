import t from 'tap'
import { InUse } from '../../src/server/in-use.ts'

function thing(name: string, closed: string[]) {
  return {
    name,
    async close() {
      closed.push(name)
    },
  }
}

t.test('the old one is closed after the last who has it', async (t) => {
  const closed: string[] = []
  const inUse = new InUse(thing('a', closed))
  const [first, second] = [inUse.take(), inUse.take()]
  inUse.replace(thing('b', closed))
  t.equal(inUse.take().thing.name, 'b')
  first.giveBack()
  t.same(closed, [])
  t.equal(inUse.old, 1)
  second.giveBack()
  t.same(closed, ['a'])
  t.equal(inUse.old, 0)
})

t.test('one that nobody has is closed at once, and all of them once at the end', async (t) => {
  const closed: string[] = []
  const inUse = new InUse(thing('a', closed))
  inUse.replace(thing('b', closed))
  t.same(closed, ['a'])
  const taken = inUse.take()
  inUse.replace(thing('c', closed))
  await inUse.close()
  taken.giveBack()
  t.same(closed, ['a', 'b', 'c'])
})
