import { request } from 'node:http'
import { createServer, type Socket } from 'node:net'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// Node closes a connection that "switches protocols" without an error and without a response.
t.test('an upload to which Google responds with 101 ends', async (t) => {
  const google = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n')
    })
  })
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  for (const init of [{}, { method: 'POST', body: 'x' }]) {
    const response = await fetch(`${url}studies`, { ...init, signal: AbortSignal.timeout(10_000) })
    t.equal(response.status, 502)
  }
})

// Nobody was told any more that it had left, and its upload stood at Google until the idle timeout.
t.test('a client that leaves while the proxy waits for a token never reaches Google', async (t) => {
  const { emulator, url, log, proxy } = await startServed(t, { emulator: { tokenLifetime: 1 } })
  await eventually('the first token', async () => (await fetch(`${proxy.adminUrl}/readyz`)).ok)
  emulator.faults.add({ target: 'token', delay: 2_500 })
  await eventually('the end of its life', async () => !(await fetch(`${proxy.adminUrl}/readyz`)).ok)
  const sending = request(`${url}studies`, { method: 'POST' })
  sending.on('error', () => {})
  await new Promise((resolve) => sending.write('x', resolve))
  sending.destroy()
  await eventually('the log says so', () =>
    log().some(({ msg, abortedBy }) => msg === 'request' && abortedBy === 'client'),
  )
  t.same(
    emulator.log.filter(({ method, target }) => method === 'POST' && target.includes('/dicomWeb/')),
    [],
  )
})

// The body of the 401 stalled, and the first attempt's timer ended the response to the second.
t.test('a 401 without an end does not end the try after it', async (t) => {
  let attempts = 0
  const google = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.on('data', () => {
      attempts += 1
      if (attempts === 1) {
        socket.write('HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\n')
      } else {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsto')
        setTimeout(() => socket.write('red'), 1_500)
      }
    })
  })
  const Timeouts = { Idle: 2, Response: 2 }
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google), proxy: { Timeouts } })
  t.equal(await (await fetch(`${url}studies`, { method: 'POST', body: 'x' })).text(), 'stored')
})

// Google's response was piped to a response that had closed: Node throws then, and the whole
// process died of it.
t.test('a client that leaves while its upload is sent once more does no harm', async (t) => {
  const arrived = Promise.withResolvers<() => void>()
  const google = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      arrived.resolve(() => socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'))
      if (attempts++ > 0) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
  })
  let attempts = 0
  const { emulator, url, log, proxy } = await startServed(t, { baseUrl: await listenOn(t, google) })
  await eventually('the first token', async () => (await fetch(`${proxy.adminUrl}/readyz`)).ok)
  emulator.faults.add({ target: 'token', delay: 1_000, times: 1 })
  const sending = request(`${url}studies`, { method: 'POST' })
  sending.on('error', () => {})
  sending.end('x')
  const refuse = await arrived.promise
  refuse()
  await eventually('the proxy asks for another token', () => emulator.tokenRequests.total === 2)
  sending.destroy()
  await eventually('the log says so', () =>
    log().some(({ msg, abortedBy }) => msg === 'request' && abortedBy === 'client'),
  )
  t.equal((await fetch(`${url}studies`, { method: 'POST', body: 'x' })).status, 200, 'the next one is served')
})
