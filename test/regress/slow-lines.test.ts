import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { createServer, request } from 'node:https'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { openConnections } from '../../src/forward/connections.ts'
import { outgoingDirect } from '../credentials/issuer.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { listenOn } from '../helpers/listen.ts'
import { listenStalled } from '../helpers/stalled-listener.ts'

// Seen: where a name has several addresses, Node gives each 250 ms; over a line of 320 ms there was
// no token, no search and no upload. And Node's limit on idle connections of uploads, 4 s, ended
// those that were still being made.

t.jobs = 4

const certificate = makeCertificate({ names: ['google.test'] })

async function secureGoogle(t: Test): Promise<number> {
  const google = createServer(certificate, (incoming, response) =>
    incoming.resume().on('end', () => response.end('here')),
  )
  return Number(new URL(await listenOn(t, google)).port)
}

/** One request of each transport. */
function openTransports(t: Test, port: number, options: { proxy?: string; addresses?: readonly string[] }) {
  const { proxy = null, addresses = ['127.0.0.1'] } = options
  const connections = openConnections(
    { ...outgoingDirect, certificateAuthorities: [certificate.authority], httpsProxy: proxy, httpProxy: proxy },
    async () => addresses,
  )
  t.teardown(() => connections.close())
  const origin = new URL(`https://google.test:${port}`)
  return {
    async search() {
      const { body } = await connections.dispatcher.request({ origin: origin.origin, path: '/', method: 'GET' })
      return body.text()
    },
    async upload() {
      const sending = request(origin, { agent: connections.agentFor(origin), method: 'POST' })
      sending.on('timeout', () => sending.destroy(new Error('its connection was taken for an idle one')))
      sending.end('body')
      const [response] = (await once(sending, 'response')) as [IncomingMessage]
      return (await response.toArray()).join('')
    },
    token: async () => (await connections.fetch(origin)).text(),
  }
}

/** Makes tunnels, late. */
async function outgoingProxy(t: Test, waiting: () => Promise<unknown>): Promise<number> {
  const server = createHttpServer()
  server.on('connect', async (asked, client: Socket) => {
    await waiting()
    const onward = connect(Number(String(asked.url).split(':')[1]), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      client.pipe(onward).pipe(client)
    })
    onward.on('error', () => client.destroy())
    client.on('error', () => onward.destroy())
  })
  return Number(new URL(await listenOn(t, server)).port)
}

for (const through of ['directly', 'through an outgoing proxy']) {
  t.test(`an address that takes a second, before one that never responds, ${through}`, async (t) => {
    const google = await secureGoogle(t)
    const proxy = through === 'directly' ? null : await outgoingProxy(t, async () => {})
    const port = proxy ?? google
    const slow = await listenStalled(t, { host: '127.0.0.2', port }, port)
    await listenStalled(t, { host: '127.0.0.3', port }, port)
    const addresses = ['127.0.0.2', '127.0.0.3']
    const transports = openTransports(t, google, { addresses, ...(proxy && { proxy: `http://proxy.test:${proxy}` }) })
    const asked = Object.entries(transports).map(async ([name, ask]) => t.equal(await ask(), 'here', name))
    await delay(400)
    slow.accept()
    await Promise.all(asked)
  })
}

t.test('an address that never responds, before one that does', async (t) => {
  const port = await secureGoogle(t)
  await listenStalled(t, { host: '127.0.0.3', port }, port)
  const transports = openTransports(t, port, { addresses: ['127.0.0.3', '127.0.0.1'] })
  for (const [name, ask] of Object.entries(transports)) t.equal(await ask(), 'here', name)
})

t.test('longer than an idle connection of uploads is kept', async (t) => {
  const google = await secureGoogle(t)
  const late = () => delay(4_500)
  const proxy = await outgoingProxy(t, late)
  const slowTls = createTcpServer(async (client) => {
    await late()
    const onward = connect(google, '127.0.0.1')
    client.on('error', () => onward.destroy())
    onward.on('error', () => client.destroy())
    client.pipe(onward).pipe(client)
  })
  const port = Number(new URL(await listenOn(t, slowTls)).port)
  const ways = {
    'a slow CONNECT': openTransports(t, google, { proxy: `http://127.0.0.1:${proxy}` }),
    'slow TLS': openTransports(t, port, {}),
  }
  await Promise.all(
    Object.entries(ways).flatMap(([way, transports]) =>
      Object.entries(transports).map(async ([name, ask]) => t.equal(await ask(), 'here', `${way}, ${name}`)),
    ),
  )
})
