import { connect } from 'node:net'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { startServed } from '../helpers/served.ts'

// What came after the part that could not be read was a second error, and that reset the connection
// before the response to the first: a client that writes first and reads later never got it.
t.test('a client whose head is far too large can read why', async (t) => {
  const { proxy, log } = await startServed(t)
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  const sent = Promise.withResolvers<void>()
  const head = `GET /google/studies?PatientName=${'a'.repeat(4_000_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`
  socket.write(head, () => sent.resolve())
  await sent.promise
  t.match(String(await buffer(socket)), /^HTTP\/1\.1 431 .*"code":"header-too-large".*}$/s)
  t.equal(log().filter(({ msg }) => msg === 'request').length, 1, 'one line tells of it')
})
