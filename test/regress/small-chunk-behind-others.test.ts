import { once } from 'node:events'
import { createServer, type IncomingMessage, request as send } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { Clock } from '@tapjs/clock'
import { test } from 'tap'
import { coalesceChunks } from '../../src/downstream/coalesce-chunks.ts'
import { listenOn } from '../helpers/listen.ts'

/**
 * Orthanc's chunks are of 64 KiB, as are Node's reads: now and then the last bytes of one come
 * alone. Node was told then to read no further, because that had been so at the bytes before; it
 * was told otherwise only after the 50 ms for which a few bytes may wait for others. A study took
 * half as long again.
 */
test('a small chunk behind others does not stop the reading', async (t) => {
  const server = createServer({ highWaterMark: 16 * 1024 }, (request) => coalesceChunks(request, () => {}))
  const client = send(await listenOn(t, server), { method: 'POST' })
  t.teardown(() => client.destroy())
  client.on('error', () => {}).write(Buffer.alloc(20_000))
  const [request] = (await once(server, 'request')) as [IncomingMessage]
  let came = 0
  const { push } = request
  request.push = (chunk: Buffer) => {
    came += chunk.length
    return push(chunk)
  }
  const until = async (isSo: () => boolean) => {
    while (!isSo()) await turn()
  }

  await until(() => request.readableLength === 20_000)
  t.equal(request.read(10_000)?.length, 10_000, 'there is room again')
  const before = came
  // Nothing waits for a time that never comes.
  t.teardown(new Clock().enter())
  client.write(Buffer.alloc(100))
  await until(() => came === before + 100)
  client.write(Buffer.alloc(20_000))
  await until(() => came === before + 20_100)
  t.equal(request.readableLength, 30_100)
})
