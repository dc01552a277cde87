import t from 'tap'
import { BufferedResponse } from '../src/forward/buffered-response.ts'
import { BoundedBody } from '../src/small-response.ts'

t.test('a body is held up to its bound', async (t) => {
  const body = new BoundedBody(1_000)
  t.ok(body.add(Buffer.alloc(800, 'a')))
  t.notOk(body.add(Buffer.from('bc')))
  t.equal(body.bytes.toString(), `${'a'.repeat(800)}bc`, 'with what was too much: it may have to be passed on')
})

t.test('chunks of one byte count at what they cost', async (t) => {
  const response = new BufferedResponse(503, {})
  let chunks = 0
  while (response.add(Buffer.from('a')) && chunks < 100_000) chunks += 1
  t.ok(chunks < 1_000, `${chunks} of them are held back`)
})

t.test('of what came with a chunk nothing is kept', async (t) => {
  const read = Buffer.alloc(64 * 1024)
  const body = new BoundedBody(1_000)
  body.add(read.subarray(10, 11))
  read.fill('x')
  t.equal(body.bytes[0], 0)
})
