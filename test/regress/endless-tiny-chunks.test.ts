import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { digestOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { type Served, startServed } from '../helpers/served.ts'
import { startHeldGoogle } from '../server/google.ts'

// Each chunk costs Node about as much as 16 KiB in one. Some connections that sent nothing but
// chunks of one byte kept everybody else waiting for up to 6.5 s, for as long as they liked; after
// a 401, for 30 s.

const Clients = { sender: { TokenDigest: digestOf('right'), Accounts: { google: ['STOW-RS', 'QIDO-RS'] } } }
const login = { right: 'Bearer right', wrong: 'Bearer wrong' }

/** Google takes everything. */
async function serve(t: Test): Promise<Served> {
  const google = createServer((request, response) => {
    request.resume().once('end', () => response.writeHead(200, { 'content-length': '2' }).end('{}'))
  })
  return startServed(t, { baseUrl: await listenOn(t, google), proxy: { Clients } })
}

/** Sends the same piece of a body as fast as it is taken, for as long as the connection stands. */
function sendForEver(t: Test, { proxy }: Served, authorization: string, piece: Buffer) {
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  let received = ''
  socket.on('error', () => {})
  socket.on('data', (bytes) => {
    received += bytes
  })
  const head = `POST /google/studies HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\n`
  socket.write(`${head}Content-Type: application/dicom\r\nTransfer-Encoding: chunked\r\n\r\n`)
  const pump = () => {
    while (!socket.destroyed && socket.write(piece));
  }
  socket.on('drain', pump)
  pump()
  return { socket, received: () => received }
}

t.test('bodies of nothing but tiny chunks are ended, whoever sends them', async (t) => {
  const served = await serve(t)
  const tiny = Buffer.from('1\r\nx\r\n'.repeat(50_000))
  const all = Array.from({ length: 32 }, (_, at) => sendForEver(t, served, at % 2 ? login.wrong : login.right, tiny))
  const alive = await fetch(`${served.proxy.adminUrl}/healthz`)
  t.equal(alive.status, 200)
  await eventually('all are closed', () => all.every(({ socket }) => socket.closed), 30_000)
  for (const [at, { received }] of all.entries()) {
    const expected = at % 2 ? /^HTTP\/1.1 401 / : /^HTTP\/1.1 400 .*"tiny-chunks".*less than 64 bytes on average/s
    if (!expected.test(received())) t.match(received(), expected)
  }
  const lines = served.log().filter(({ msg }) => msg === 'request')
  t.equal(lines.filter(({ status, code }) => status === 400 && code === 'tiny-chunks').length, 16)
  t.equal(lines.length, 32)
})

t.test('so are uploads that wait for their first bytes, because slots are scarce', async (t) => {
  const google = await startHeldGoogle(t)
  const proxy = { Clients, Concurrency: { MaxInFlight: 1 } }
  const served = await startServed(t, { baseUrl: google.baseUrl, proxy })
  const first = fetch(`${served.url}studies`, { method: 'POST', headers: { authorization: login.right }, body: 'x' })
  await google.reached(1)
  const { socket, received } = sendForEver(t, served, login.right, Buffer.from('0001\r\nx\r\n'.repeat(10_000)))
  await eventually('it is closed', () => socket.closed)
  t.match(received(), /^HTTP\/1.1 400 .*"tiny-chunks"/s)
  google.respond()
  t.equal((await first).status, 200)
})

t.test('an unauthenticated client is read for a moment only, with any chunks', async (t) => {
  const served = await serve(t)
  const large = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000), Buffer.from('\r\n')])
  const { socket } = sendForEver(t, served, login.wrong, large)
  await eventually('it is closed', () => socket.closed)
  const small = await fetch(`${served.url}studies`, { method: 'POST', body: Buffer.alloc(500_000) })
  t.equal(small.status, 401, 'one that sends a small body before it reads gets its response')
})

t.test('a body with some tiny chunks among others passes', async (t) => {
  const { url } = await serve(t)
  const headers = { authorization: login.right, 'content-type': 'application/dicom' }
  const sending = request(`${url}studies`, { method: 'POST', headers })
  for (let part = 0; part < 100; part += 1) {
    sending.write(Buffer.alloc(0x10000))
    for (let tiny = 0; tiny < 150; tiny += 1) sending.write('x')
    await new Promise(setImmediate)
  }
  sending.end()
  const [response] = (await once(sending, 'response')) as [IncomingMessage]
  response.resume()
  t.equal(response.statusCode, 200)
})
