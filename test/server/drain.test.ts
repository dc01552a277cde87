import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { ask, startHttp2 } from '../helpers/http2.ts'
import { startServed } from '../helpers/served.ts'
import { startHeldGoogle } from './google.ts'

// What a process does that has a successor: docs/adr/0039.

async function search(url: string, agent: Agent): Promise<{ status: number | undefined; connection: unknown }> {
  const [response] = (await once(get(`${url}studies`, { agent }), 'response')) as [IncomingMessage]
  await text(response)
  return { status: response.statusCode, connection: response.headers.connection }
}

t.test('HTTP/1.1: each connection is served once more, and then closes', async (t) => {
  const google = await startHeldGoogle(t)
  const { proxy, url } = await startServed(t, { baseUrl: google.baseUrl })
  const [idle, busy] = [new Agent({ keepAlive: true }), new Agent({ keepAlive: true })]
  t.teardown(() => {
    for (const agent of [idle, busy]) agent.destroy()
  })
  const first = search(url, idle)
  await google.reached(1)
  google.respond()
  t.match(await first, { status: 200, connection: 'keep-alive' })

  const held = search(url, busy)
  await google.reached(1)
  const drained = proxy.drain()
  await eventually('the admin listener has closed', async () =>
    fetch(`${proxy.adminUrl}/healthz`).then(
      () => false,
      () => true,
    ),
  )
  const last = search(url, idle)
  await google.reached(2)
  google.respond()
  google.respond()
  t.match(await held, { status: 200, connection: 'close' })
  t.match(await last, { status: 200, connection: 'close' }, 'on the connection that was idle')
  await drained
  await t.rejects(search(url, idle), { code: 'ECONNREFUSED' })
})

t.test('HTTP/2: what has begun is served, and clients are told to send no more', async (t) => {
  const google = await startHeldGoogle(t)
  const { proxy, connect } = await startHttp2(t, { baseUrl: google.baseUrl })
  const session = await connect()
  const held = ask(session, { ':method': 'GET', ':path': '/google/studies' })
  await google.reached(1)
  const told = once(session, 'goaway')
  const drained = proxy.drain()
  const [code] = await told
  t.equal(code, 0)
  google.respond()
  t.equal((await held).status, 200)
  await drained
})

t.test('the end of the grace ends it, too', async (t) => {
  const google = await startHeldGoogle(t)
  const { proxy, url } = await startServed(t, { baseUrl: google.baseUrl, proxy: { ShutdownGrace: 1 } })
  const asked = get(`${url}studies`, { agent: false })
  const cut = once(asked, 'response').then(
    () => false,
    () => true,
  )
  await google.reached(1)
  const drained = proxy.drain()
  t.equal(await proxy.close(), 1)
  await drained
  t.ok(await cut)
})
