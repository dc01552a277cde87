import t from 'tap'
import { RefCounted } from '../../src/concurrency/ref-counted.ts'

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
  const inUse = new RefCounted(thing('a', closed))
  const [first, second] = [inUse.acquire(), inUse.acquire()]
  inUse.replace(thing('b', closed))
  t.equal(inUse.acquire().value.name, 'b')
  first.release()
  t.same(closed, [])
  t.equal(inUse.retired, 1)
  second.release()
  t.same(closed, ['a'])
  t.equal(inUse.retired, 0)
})

t.test('one that nobody has is closed at once, and all of them once at the end', async (t) => {
  const closed: string[] = []
  const inUse = new RefCounted(thing('a', closed))
  inUse.replace(thing('b', closed))
  t.same(closed, ['a'])
  const taken = inUse.acquire()
  inUse.replace(thing('c', closed))
  await inUse.close()
  taken.release()
  t.same(closed, ['a', 'b', 'c'])
})
