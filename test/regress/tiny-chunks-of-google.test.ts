import { connect, createServer, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function memory(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / 1024 / 1024
}

const piece = Buffer.from('1\r\nx\r\n'.repeat(20_000))

// What waits for a client is bounded by bytes, and Node takes hundreds of bytes for one of a byte:
// a response in such chunks took 95 to 180 MiB while the client did not read.
for (const method of ['GET', 'POST']) {
  t.test(`${method}: a response in chunks of one byte takes no more memory than another`, async (t) => {
    const atGoogle: Socket[] = []
    const google = createServer((socket) => {
      atGoogle.push(socket)
      socket.on('error', () => {})
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
        const pump = () => {
          while (socket.write(piece));
        }
        socket.on('drain', pump)
        pump()
      })
    })
    const served = await startServed(t, { baseUrl: await listenOn(t, google) })
    t.teardown(() => {
      for (const socket of atGoogle) socket.destroy()
    })
    const before = memory()
    const clients = 4
    for (let client = 0; client < clients; client += 1) {
      const socket = connect(Number(new URL(served.url).port), '127.0.0.1').pause()
      t.teardown(() => socket.destroy())
      socket.on('error', () => {})
      const body = method === 'POST' ? 'Content-Length: 1\r\n\r\nx' : '\r\n'
      socket.write(`${method} /google/studies HTTP/1.1\r\nHost: localhost\r\n${body}`)
    }
    const written = () =>
      atGoogle.reduce((sum, { bytesWritten, writableLength }) => sum + bytesWritten - writableLength, 0)
    let last = -1
    let since = 0
    await eventually(
      'Google is stopped',
      () => {
        if (written() !== last) since = performance.now()
        last = written()
        return (
          atGoogle.length === clients &&
          atGoogle.every(({ writableNeedDrain }) => writableNeedDrain) &&
          performance.now() - since > 500
        )
      },
      30_000,
    )
    const more = memory() - before
    t.ok(more < clients * 4, `${more.toFixed(1)} MiB for ${clients} responses`)
  })
}

t.test('such a response reaches the client unchanged', async (t) => {
  const digits = Array.from({ length: 30_000 }, (_, at) => String(at % 10))
  const google = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      for (const digit of digits) socket.write(`1\r\n${digit}\r\n`)
      socket.end('0\r\n\r\n')
    })
  })
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  for (const init of [{}, { method: 'POST', body: 'x' }]) {
    t.equal(await (await fetch(`${url}studies`, init)).text(), digits.join(''))
  }
})
