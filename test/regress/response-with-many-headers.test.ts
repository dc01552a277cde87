import { createServer, type Socket } from 'node:net'
import t from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// Node reads 1000 headers and drops the others without a word: a compressed response to an upload
// lost its Content-Encoding.
t.test('a response with more headers than are read is invalid', async (t) => {
  let many = 0
  const google = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      const head = `HTTP/1.1 200 OK\r\nContent-Length: 3\r\n${'a:\r\n'.repeat(many)}Content-Encoding: gzip\r\n\r\n`
      socket.end(`${head}abc`)
    })
  })
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  for (many of [998, 999, 3000]) {
    const response = await fetch(`${url}studies`, { method: 'POST', body: 'x' })
    t.equal(response.status, 502, `${many + 2} headers`)
    t.match(await response.json(), { code: 'upstream-invalid' })
  }
})
