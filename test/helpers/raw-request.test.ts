import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { listenOn } from './listen.ts'
import { rawRequest } from './raw-request.ts'

t.test('returns every byte until the other side closes', async (t) => {
  const server = createServer((socket) => {
    socket.once('data', (bytes) => {
      socket.write(bytes)
      socket.end(Buffer.from([0, 255]))
    })
  })
  const url = await listenOn(t, server)
  t.same(await rawRequest(url, 'a\r\n'), Buffer.from([0x61, 13, 10, 0, 255]))
})

t.test('gives up when nobody closes', async (t) => {
  const server = createServer()
  const url = await listenOn(t, server)
  const asking = rawRequest(url, 'x', { timeout: 100 })
  const [socket] = await once(server, 'connection')
  socket.on('error', () => {})
  await t.rejects(asking, { message: /still stood after 100 ms/ })
  socket.destroy()
})
