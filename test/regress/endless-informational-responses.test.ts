import { createServer, type Socket } from 'node:net'
import t from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// Each informational response counted as a sign of life: as long as they came, no timeout ended the
// request.
t.test('endless informational responses are invalid', async (t) => {
  const google = createServer((socket: Socket) => {
    socket.on('error', () => {})
    const early = () => socket.writable && socket.write('HTTP/1.1 103 Early Hints\r\n\r\n', () => setImmediate(early))
    socket.once('data', early)
  })
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  for (const init of [{}, { method: 'DELETE' }, { method: 'POST', body: 'x' }]) {
    const response = await fetch(`${url}studies/1.2`, { ...init, signal: AbortSignal.timeout(10_000) })
    t.equal(response.status, 502)
    t.match(await response.json(), { code: 'upstream-invalid', attempts: 1 })
  }
})

t.test('a few are none of the client’s business', async (t) => {
  const google = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.write(
        `${'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(10)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`,
      )
    })
  })
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  for (const init of [{}, { method: 'POST', body: 'x' }]) {
    t.equal(await (await fetch(`${url}studies`, init)).text(), 'ok')
  }
})
