import { PassThrough } from 'node:stream'
import { test } from 'tap'
import { relayLines } from '../../src/cli/workers/relay-lines.ts'

test('lines pass whole, however they come, also long ones and other alphabets; one without an end does not', async (t) => {
  const from = new PassThrough()
  const written: string[] = []
  relayLines(from, { write: (lines: string) => written.push(lines) })
  const long = 'x'.repeat(100_000)
  const bytes = Buffer.from(`é\n${long}\nb\nc\nwithout an end`)
  for (let at = 0; at < bytes.length; at += 7_919) from.write(bytes.subarray(at, at + 7_919))
  for (const byte of Buffer.from('…\nß\n')) from.write(Buffer.from([byte]))
  from.end('cut')
  await new Promise((resolve) => from.once('close', resolve))
  t.equal(written.join(''), `é\n${long}\nb\nc\nwithout an end…\nß\n`)
  for (const lines of written) t.ok(lines.endsWith('\n'))
})
