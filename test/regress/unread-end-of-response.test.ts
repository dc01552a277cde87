import { createServer } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

/**
 * The proxy waited without end for a client that stopped reading when all of its response had come
 * from Google, but not all of it had gone out.
 */
for (const method of ['GET', 'POST']) {
  t.test(`clients that never read the response to ${method} keep no slot at Google`, async (t) => {
    const bytes = Buffer.alloc(8 * 1024 * 1024)
    const google = createServer((request, response) => {
      const size = Number(request.headers['content-language'])
      request
        .resume()
        .once('end', () => response.writeHead(200, { 'content-length': size }).end(bytes.subarray(0, size)))
    })
    const proxy = { Timeouts: { Idle: 1 }, Concurrency: { MaxInFlight: 1000 } }
    const served = await startServed(t, { baseUrl: await listenOn(t, google), proxy })
    const { port } = new URL(served.url)
    // How much the kernel takes without a reader differs: one of these sizes is just above it.
    const sizes = Array.from({ length: 112 }, (_, at) => (at + 16) * 64 * 1024)
    for (const size of sizes) {
      const body = method === 'POST' ? 'Content-Length: 1\r\n\r\nx' : '\r\n'
      const socket = connect(Number(port), '127.0.0.1').pause()
      t.teardown(() => socket.destroy())
      socket.on('error', () => {})
      socket.write(`${method} /google/studies HTTP/1.1\r\nHost: localhost\r\nContent-Language: ${size}\r\n${body}`)
    }
    const lines = () => served.log().filter(({ msg }) => msg === 'request').length
    await eventually('each has ended, and its line', () => lines() === sizes.length, 20_000)
    t.equal(lines(), sizes.length)
  })
}
