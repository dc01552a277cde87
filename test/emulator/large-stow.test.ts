import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { get, type IncomingMessage, request } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'tap'
import { largeInstance, multipart } from '../../src/emulator/synthetic-study.ts'
import { instancePath, startSession } from './session.ts'

const MiB = 1024 * 1024

test('512 MiB are stored and retrieved in bounded memory', async (t) => {
  const { emulator, token } = await startSession(t, { folder: t.testdir() })
  const instance = largeInstance({ bytes: 512 * MiB })
  const before = process.memoryUsage().rss
  const watch = peakMemory()

  const { contentType, chunks } = multipart([instance], randomUUID())
  const headers = { authorization: `Bearer ${token}`, 'content-type': contentType }
  const upload = request(`${emulator.dicomWebUrl()}/studies`, { method: 'POST', headers })
  const responded = once(upload, 'response')
  await pipeline(Readable.from(chunks), upload)
  const [stored] = (await responded) as [IncomingMessage]
  t.equal(stored.statusCode, 200)
  stored.resume()

  const retrieval = get(emulator.dicomWebUrl() + instancePath(instance), {
    headers: { authorization: `Bearer ${token}`, accept: 'application/dicom' },
  })
  const [file] = (await once(retrieval, 'response')) as [IncomingMessage]
  t.ok(await sameStream(file, instance.chunks()), 'byte for byte')
  // Client and emulator share this process, and each holds some chunks; on a busy machine garbage
  // waits longer. Half of what passed bounds it all the same.
  const grown = (watch() - before) / MiB
  t.ok(grown < 256, `grew by ${Math.round(grown)} MiB`)
})

/** Watches the memory in use; the returned function stops that, and returns the maximum. */
function peakMemory(): () => number {
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss)
  }, 20)
  return () => {
    clearInterval(timer)
    return peak
  }
}

async function sameStream(stream: AsyncIterable<Buffer>, expected: Iterator<Buffer>): Promise<boolean> {
  let wanted: Buffer = Buffer.alloc(0)
  for await (let chunk of stream) {
    while (chunk.length > 0) {
      if (wanted.length === 0) wanted = expected.next().value ?? wanted
      const length = Math.min(chunk.length, wanted.length)
      if (length === 0 || !chunk.subarray(0, length).equals(wanted.subarray(0, length))) return false
      chunk = chunk.subarray(length)
      wanted = wanted.subarray(length)
    }
  }
  return wanted.length === 0 && expected.next().done === true
}
