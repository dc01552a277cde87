import { promisify } from 'node:util'
import { gunzip, gzipSync } from 'node:zlib'
import t from 'tap'
import { Recoding } from '../../src/forward/recoding.ts'

const size = 96 * 1024 * 1024
const bomb = gzipSync(Buffer.alloc(size, ' '), { level: 9 })
const unchanged = { push: (chunk: Buffer) => chunk, end: () => Buffer.alloc(0) }

t.test('while the client reads nothing, nothing more is decompressed; then all of it is', async (t) => {
  let passed = 0
  let isReading = false
  const ended = Promise.withResolvers<void>()
  const recoding = new Recoding(
    { rewriter: unchanged, isRecompressed: false },
    {
      onData: (bytes) => {
        passed += bytes.length
        return isReading
      },
      onDrain: () => {},
      onEnd: ended.resolve,
      onError: ended.reject,
    },
  )
  const before = process.memoryUsage().arrayBuffers
  t.equal(recoding.write(bomb), false, 'Google has to wait')
  t.equal(recoding.isFull, true)
  recoding.end()
  const whole = await promisify(gunzip)(bomb)
  t.equal(whole.length, size, 'meanwhile, all of it could have been decompressed')
  const held = process.memoryUsage().arrayBuffers - before - size
  t.ok(passed <= 64 * 1024, `${passed} bytes have passed`)
  t.ok(held < size / 4, `${held} bytes are held besides the whole`)
  isReading = true
  recoding.resume()
  await ended.promise
  t.equal(passed, size)
})

t.test('what a client has left is given up', async (t) => {
  const failed = Promise.withResolvers<Error>()
  const recoding = new Recoding(
    { rewriter: unchanged, isRecompressed: true },
    { onData: () => false, onDrain: () => {}, onEnd: () => {}, onError: failed.resolve },
  )
  recoding.write(bomb)
  recoding.destroy()
  t.match(await failed.promise, { code: 'ERR_STREAM_PREMATURE_CLOSE' })
})
