import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

function upload(url: string) {
  return request(`${url}studies`, { method: 'POST', headers: { 'content-type': 'application/dicom' } })
}

async function statusOf(sending: ReturnType<typeof upload>): Promise<number | undefined> {
  const [response] = (await once(sending, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode
}

// Node makes a buffer of each chunk, and bounds its queues by bytes: a stalled upload in chunks of
// one byte took 125 MiB.
t.test('tiny chunks are joined', async (t) => {
  // More would be refused.
  const count = 9_000
  let received = ''
  const google = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1')
      if (received.endsWith('\r\n0\r\n\r\n'))
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
    })
  })
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  const sending = upload(url)
  for (let at = 0; at < count; at += 1) sending.write(String(at % 10))
  sending.end()
  t.equal(await statusOf(sending), 200)
  const chunks = received.slice(received.indexOf('\r\n\r\n') + 4).split('\r\n')
  const body = chunks.filter((_, at) => at % 2 === 1).join('')
  t.equal(body, '0123456789'.repeat(count / 10))
  t.ok(chunks.length / 2 < count / 100, `in ${chunks.length / 2} chunks`)
})

t.test('chunks of all sizes arrive as they were, in order', async (t) => {
  const google = createServer(async (request, response) => response.end(await buffer(request)))
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  const chunks = [1, 1023, 1, 1024, 5_000, 3, 16_383, 2, 20_000, 999, 999, 1].map((size, at) =>
    Buffer.alloc(size, at + 65),
  )
  const sending = upload(url)
  for (const [at, chunk] of chunks.entries()) {
    sending.write(chunk)
    // Some come in a packet of their own.
    if (at % 3 === 0) await new Promise(setImmediate)
  }
  sending.end()
  const [response] = (await once(sending, 'response')) as [IncomingMessage]
  t.ok((await buffer(response)).equals(Buffer.concat(chunks)))
})

// A buffer of one byte takes some four hundred. Kept by the byte, 64 MiB of such uploads were many
// GiB.
t.test('an upload that comes byte by byte is kept by the memory that it takes', async (t) => {
  let received = 0
  let requests = 0
  const google = createServer((request, response) => {
    requests += 1
    request.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    request.on('end', () => response.writeHead(503).end())
  })
  const Retry = { TotalTimeout: 3, BufferPerRequest: 64 * 1024 }
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google), proxy: { Retry } })
  const send = async (count: number) => {
    received = 0
    requests = 0
    const sending = upload(url)
    for (let at = 1; at <= count; at += 1) {
      sending.write('x')
      await eventually('the byte has passed', () => received >= at)
    }
    sending.end()
    t.equal(await statusOf(sending), 503)
    return requests
  }
  t.ok((await send(10)) > 1, 'a few are kept, and sent again')
  t.equal(await send(140), 1, 'many are not')
})
