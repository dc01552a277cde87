import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { basic, digestOf, hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { type Served, type ServedOptions, startServed } from '../helpers/served.ts'

const password = 'correct horse battery'
const right = basic('radiology', password)
const Clients = {
  radiology: { PasswordHash: hashOf(password), Accounts: { google: ['QIDO-RS'] } },
  viewer: { TokenDigest: digestOf('right-token'), Accounts: { google: ['QIDO-RS'] } },
}

/** A search from this address of the loopback network. */
async function search(
  { url }: Served,
  headers: Record<string, string> = {},
  localAddress = '127.0.0.1',
  agent: Agent | false = false,
) {
  const [response] = await once(request(`${url}studies`, { headers, localAddress, agent }).end(), 'response')
  response.resume()
  return { status: response.statusCode as number, retryAfter: Number(response.headers['retry-after']) }
}

const serve = (t: Test, Limits: object = {}, more: ServedOptions = {}) =>
  startServed(t, { proxy: { Clients, Limits, ...more.proxy }, ...more })

t.test('after a few wrong passwords an address has to wait, longer each time; others do not', async (t) => {
  const served = await serve(t, { FailedLogins: 3 })
  for (let logins = 0; logins < 3; logins++) {
    t.equal((await search(served, basic('radiology', `wrong ${logins}`), '127.0.0.2')).status, 401)
  }
  const early = await search(served, right, '127.0.0.2')
  t.same(early, { status: 429, retryAfter: 1 }, 'the right one, too')
  t.equal((await search(served, right, '127.0.0.3')).status, 200, 'from elsewhere')
  t.equal((await search(served, { authorization: 'Bearer wrong' }, '127.0.0.2')).status, 401, 'nor found by trying')
  t.equal(
    (await search(served, { authorization: 'Bearer right-token' }, '127.0.0.2')).status,
    200,
    'nobody guesses that',
  )
  t.equal((await search(served, {}, '127.0.0.2')).status, 401, 'without a try')

  await eventually(
    'the wait is over',
    async () => (await search(served, basic('radiology', 'wrong'), '127.0.0.2')).status === 401,
  )
  const later = await search(served, right, '127.0.0.2')
  t.equal(later.status, 429)
  t.equal(later.retryAfter, 2, 'twice as long')
  await eventually('that is over, too', async () => (await search(served, right, '127.0.0.2')).status === 200)
})

t.test('who was known before the wait goes on', async (t) => {
  const served = await serve(t, { FailedLogins: 2 })
  t.equal((await search(served, right)).status, 200)
  const wrong = () => search(served, basic('radiology', 'wrong'))
  t.equal((await wrong()).status, 401)
  t.equal((await wrong()).status, 401)
  t.equal((await wrong()).status, 429)
  t.equal((await search(served, right)).status, 200)
})

t.test(
  'many logins at once are bounded: as many as fail freely, and a burst of sixteen from an address without a failure',
  async (t) => {
    const served = await serve(t, { FailedLogins: 4 })
    // On connections that are there already: all of them arrive before the first has failed.
    const agent = new Agent({ keepAlive: true })
    t.teardown(() => agent.destroy())
    const searchAtOnce = (headersOf: (number: number) => Record<string, string>) =>
      Promise.all(Array.from({ length: 40 }, (_, number) => search(served, headersOf(number), '127.0.0.1', agent)))
    await searchAtOnce(() => ({ authorization: 'Bearer right-token' }))
    await eventually('all wait', () => Object.values(agent.freeSockets).flat().length === 40)
    const logins = await searchAtOnce((number) => basic('radiology', `wrong ${number}`))
    const statuses = logins.map(({ status }) => status)
    t.equal(statuses.filter((status) => status === 401).length, 20)
    t.equal(statuses.filter((status) => status === 429).length, 20)
    t.equal((await search(served, right)).status, 429)
  },
)

t.test('clients behind one address: old bearer tokens and guesses at one name lock no other out', async (t) => {
  const served = await serve(t, { FailedLogins: 2 })
  t.equal((await search(served, right)).status, 200)
  for (let logins = 0; logins < 150; logins++) await search(served, { authorization: 'Bearer old' })
  t.equal((await search(served, right)).status, 200)
  for (let logins = 0; logins < 150; logins++) await search(served, basic('somebody', 'wrong'))
  t.equal((await search(served, right)).status, 200)
  for (let logins = 0; logins < 150; logins++) await search(served, basic('radiology', `wrong ${logins}`))
  t.equal((await search(served, right)).status, 429, 'nor is the name itself found by guessing')
})

t.test('many requests with one right password cost one verification', async (t) => {
  const served = await serve(t, { FailedLogins: 1 })
  const all = await Promise.all(Array.from({ length: 40 }, () => search(served, right)))
  t.same(new Set(all.map(({ status }) => status)), new Set([200]))
})

t.test('log lines about unauthenticated clients are limited, those about clients are not', async (t) => {
  const served = await serve(t, { RejectedLogRate: 5, FailedLogins: 1000 })
  for (let count = 0; count < 20; count++) await search(served)
  await rawRequest(served.url, 'nonsense\r\n\r\n')
  for (let count = 0; count < 20; count++) t.equal((await search(served, right)).status, 200)
  // Google's 204 to a search that finds nothing.
  await eventually('they are there', () => lines(served, 204).length === 20)
  t.equal(lines(served, 401).length, 5)
  t.equal(lines(served, 400).length, 0)
  const status = (await (await fetch(`${served.proxy.adminUrl}/api/status`)).json()) as { rejected: object }
  t.same(status.rejected, { 'client-unauthenticated': 20, 'malformed-request': 1 }, 'all are counted')
  await served.proxy.close()
  t.match(
    served.log().find(({ msg }) => /^log limit reached: 16 further rejections not logged/.test(String(msg))),
    { level: 'warn', suppressed: 16 },
  )
})

function lines(served: Served, status: number) {
  return served.log().filter((line) => line.msg === 'request' && line.status === status)
}

/** Connections that say nothing. */
async function open({ url }: Served, count: number, localAddress = '127.0.0.1'): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => {
    const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', localAddress })
    return socket.on('error', () => {}).resume()
  })
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  return sockets
}

t.test('connections in all, and from one address', async (t) => {
  const served = await serve(t, { Connections: 5, ConnectionsPerAddress: 3 })
  const kept = await open(served, 3, '127.0.0.2')
  const [one] = await open(served, 1, '127.0.0.2')
  await new Promise((resolve) => one?.once('close', resolve))
  t.equal((await search(served, right, '127.0.0.3')).status, 200)
  const more = await open(served, 2, '127.0.0.3')
  await t.rejects(search(served, right, '127.0.0.4'), 'as many as there may be in all')
  t.match(
    served.log().filter(({ msg }) => msg === 'connection refused'),
    [
      { address: '127.0.0.2', reason: /Limits.ConnectionsPerAddress/ },
      { address: '127.0.0.4', reason: /Limits.Connections allows/ },
    ],
  )
  for (const socket of kept) socket.destroy()
  await eventually('there is room again', () =>
    search(served, right, '127.0.0.4').then(
      () => true,
      () => false,
    ),
  )
  for (const socket of more) socket.destroy()
})

t.test('AllowedNetworks', async (t) => {
  const served = await startServed(t, { proxy: { Clients, AllowedNetworks: ['127.0.0.2/31', '127.0.1.0/24', '::1'] } })
  for (const inside of ['127.0.0.2', '127.0.0.3', '127.0.1.77'])
    t.equal((await search(served, right, inside)).status, 200)
  for (const outside of ['127.0.0.1', '127.0.0.4', '127.0.2.1'])
    await t.rejects(search(served, right, outside), outside)
  t.equal(served.log().filter(({ reason }) => reason === 'not in AllowedNetworks').length, 3)
  t.equal(served.emulator.log.filter(({ target }) => target.includes('/dicomStores/')).length, 3)
})

t.test('AllowedNetworks where IPv4 comes as IPv6, as on a listener for both', async (t) => {
  const served = await startServed(t, {
    proxy: { Clients, Listen: '[::ffff:127.0.0.1]:0', AllowedNetworks: ['127.0.0.2'] },
  })
  const { port } = new URL(served.url)
  const here = { ...served, url: `http://127.0.0.1:${port}/google/` }
  t.equal((await search(here, right, '127.0.0.2')).status, 200)
  await t.rejects(search(here, right, '127.0.0.1'))
  t.match(
    served.log().find(({ client }) => client === 'radiology'),
    { address: '127.0.0.2' },
  )
})

t.test('a head that is larger than allowed, and a connection that idles', async (t) => {
  const served = await serve(t, { HeaderBytes: 4096, KeepAliveTimeout: 1 })
  const large = { ...right, 'x-more': 'a'.repeat(5000) }
  t.equal((await search(served, large)).status, 431)
  t.equal((await search(served, { ...right, 'x-more': 'a'.repeat(3000) })).status, 200)
  const socket = connect({ port: Number(new URL(served.url).port), host: '127.0.0.1' })
  socket.write(`GET /google/studies HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${right.authorization}\r\n\r\n`)
  const began = performance.now()
  socket.resume()
  await once(socket, 'end')
  t.ok(performance.now() - began < 10_000)
  socket.destroy()
})

t.test('two Authorization headers', async (t) => {
  const { url, emulator } = await serve(t)
  const two = `Authorization: ${right.authorization}\r\nauthorization: Bearer right-token\r\n`
  const response = await rawRequest(
    url,
    `GET /google/studies HTTP/1.1\r\nHost: localhost\r\n${two}Connection: close\r\n\r\n`,
  )
  t.match(String(response), /^HTTP\/1.1 400 .*malformed-request/s)
  t.equal(emulator.log.filter(({ target }) => target.includes('/dicomStores/')).length, 0)
})
