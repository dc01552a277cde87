import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { startServed } from '../helpers/served.ts'
import { startHeldGoogle } from '../server/google.ts'

// Uploads that waited for the same token all checked whether slots are scarce before the first of
// them had acquired one: so those that hardly send got the last slots, too.
t.test('uploads that wait for a token together leave slots for others', async (t) => {
  const google = await startHeldGoogle(t)
  const { emulator, proxy, log } = await startServed(t, {
    baseUrl: google.baseUrl,
    proxy: { Concurrency: { MaxInFlight: 8 } },
  })
  await eventually('the first token is there', () => log().some(({ msg }) => msg === 'access token fetched'))
  // Google rejects the token, and the next one takes its time.
  emulator.faults.add({ target: 'token', delay: 500 })
  const first = fetch(`${proxy.url}/google/studies`)
  await google.reached(1)
  google.respond(401)
  const others = Array.from({ length: 20 }, () => {
    const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    socket.write('POST /google/studies HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nx')
    return socket
  })
  await Promise.all(others.map((socket) => once(socket, 'connect')))
  const slow = () => google.open.filter(({ request }) => request.method === 'POST').length
  await eventually('they are at Google', () => slow() >= 4)
  const search = google.open.findIndex(({ request }) => request.method === 'GET')
  google.open.unshift(...google.open.splice(search, 1))
  google.respond()
  t.equal((await first).status, 200)
  // The response came after everything that was sent together with it.
  t.ok(slow() <= 5, `${slow()} have a place`)
})
