import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { startServed } from '../helpers/served.ts'
import { startHeldGoogle } from '../server/google.ts'

/**
 * Requests behind one that waited were read and kept without bound: 200,000 of them took 450 MB.
 */
t.test('a connection with too many requests behind the first is closed', async (t) => {
  const google = await startHeldGoogle(t)
  const { proxy } = await startServed(t, { baseUrl: google.baseUrl })
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1')
  socket.on('error', () => {})
  const one = 'GET /google/studies HTTP/1.1\r\nHost: localhost\r\n\r\n'
  socket.write(one)
  await google.reached(1)
  socket.write(one.repeat(1000))
  await once(socket, 'close')
  await google.reached(0)
  t.ok(socket.destroyed)
})
