import { randomBytes } from 'node:crypto'
import { test } from 'tap'
import { readParts } from '../../src/emulator/store/multipart-reader.ts'

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function bodies(bytes: Buffer, size: number): Promise<Buffer[]> {
  const found: Buffer[] = []
  for await (const { body } of readParts(inChunks(bytes, size), 'the-boundary')) {
    const chunks: Buffer[] = []
    for await (const chunk of body) chunks.push(chunk)
    found.push(Buffer.concat(chunks))
  }
  return found
}

test('parts are the same wherever the chunks of the body end', async (t) => {
  // With beginnings of the boundary in the data, and at their very ends.
  const parts = [
    randomBytes(300),
    Buffer.from('\r\n--the-boundar\r\n--the-\r\n\r\n--the-boundar'),
    Buffer.alloc(0),
    Buffer.concat([randomBytes(50), Buffer.from('\r\n')]),
  ]
  const body = Buffer.concat([
    ...parts.flatMap((part, index) => [
      Buffer.from(`${index ? '\r\n' : ''}--the-boundary\r\ncontent-type: x\r\n\r\n`),
      part,
    ]),
    Buffer.from('\r\n--the-boundary--'),
  ])
  for (let size = 1; size <= body.length; size += 1) {
    const found = await bodies(body, size)
    if (!found.every((part, index) => part.equals(parts[index] ?? randomBytes(1))) || found.length !== parts.length) {
      t.fail(`wrong parts with chunks of ${size} bytes`)
    }
  }
  t.same(await bodies(body, 7), parts)
})

test('a part that is not read is skipped', async (t) => {
  const body = Buffer.from('--the-boundary\r\na: 1\r\n\r\none\r\n--the-boundary\r\nA: 2\r\n\r\ntwo\r\n--the-boundary--')
  const heads: unknown[] = []
  for await (const { headers } of readParts(inChunks(body, 5), 'the-boundary')) heads.push(headers)
  t.same(heads, [{ a: '1' }, { a: '2' }])
})

test('broken bodies', async (t) => {
  const broken = [
    '',
    'no boundary at all',
    '--the-boundary',
    '--the-boundary\r\na: 1',
    '--the-boundary\r\na: 1\r\n\r\ncut',
    '--the-boundary\r\na: 1\r\n\r\ncut\r\n--the-boundary-',
    '--the-boundary\r\nno colon\r\n\r\nx\r\n--the-boundary--',
    `--the-boundary\r\n${'a'.repeat(40_000)}`,
  ]
  for (const body of broken)
    await t.rejects(bodies(Buffer.from(body), 1000), { name: 'MultipartError' }, body.slice(0, 40))
})
