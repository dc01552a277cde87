import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { openConnections } from '../../src/forward/connections.ts'
import { dial } from '../../src/forward/dial.ts'
import { networkFailureOf } from '../../src/network-failure.ts'
import { outgoingDirect } from '../credentials/issuer.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { listenStalled } from '../helpers/stalled-listener.ts'

async function listening(t: Test): Promise<{ port: number; connected: Socket[] }> {
  const connected: Socket[] = []
  const server = createServer((socket) => connected.push(socket.on('error', () => {})))
  const url = await listenOn(t, server)
  t.teardown(() => connected.map((socket) => socket.destroy()))
  return { port: Number(new URL(url).port), connected }
}

/** To a name that has these addresses. */
async function dialing(t: Test, port: number, addresses: readonly string[], signal = new AbortController().signal) {
  const socket = await dial({ host: 'google.test', port }, { resolve: async () => addresses, signal })
  t.teardown(() => socket.destroy())
  return socket.remoteAddress
}

t.test('an address that refuses makes room for the next', async (t) => {
  const { port } = await listening(t)
  t.equal(await dialing(t, port, ['127.0.0.2', '127.0.0.3', '127.0.0.1']), '127.0.0.1')
})

t.test('the first address that responds is used, and the attempts at others end', async (t) => {
  const { port, connected } = await listening(t)
  await listenStalled(t, { host: '127.0.0.2', port }, port)
  const sockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
  const before = sockets()
  t.equal(await dialing(t, port, ['127.0.0.2', '127.0.0.1', '127.0.0.3']), '127.0.0.1')
  // Both ends of the one that is used.
  await eventually('none is left', () => sockets() === before + 2)
  t.equal(connected.length, 1)
})

t.test('none that responds', async (t) => {
  const { port } = await listening(t)
  const refused = (addresses: string[]) => dialing(t, port, addresses).catch(networkFailureOf)
  t.match(await refused(['127.0.0.2', '127.0.0.3']), { code: 'ECONNREFUSED' })
  t.match(await refused(['127.0.0.2']), { code: 'ECONNREFUSED' })
  t.match(await refused([]), { code: 'ENOTFOUND' })
  t.comment('one that no route leads to says nothing of the host')
  t.match(await refused(['255.255.255.255', '127.0.0.2']), { code: 'ECONNREFUSED' })
})

t.test('a name that nobody resolves, until the time is over', async (t) => {
  const ending = new AbortController()
  const resolve = () => new Promise<never>(() => {})
  const attempt = dial({ host: 'google.test', port: 1 }, { resolve, signal: ending.signal })
  ending.abort(new Error('over'))
  await t.rejects(attempt, { message: 'over' })
  const later = dial({ host: '127.0.0.1', port: 1 }, { resolve, signal: ending.signal })
  await t.rejects(later, { message: 'over' })
})

t.test('a connection that never becomes one', async (t) => {
  const { port, connected } = await listening(t)
  const silent = `https://127.0.0.1:${port}/`
  t.test('ends with Timeouts.Connect, on both sides', async (t) => {
    const timeouts = { ...outgoingDirect.timeouts, connect: 300 }
    const connections = openConnections({ ...outgoingDirect, certificateAuthorities: [], timeouts })
    t.teardown(() => connections.close())
    const failure = networkFailureOf(await connections.fetch(silent).catch((error) => error))
    t.match(failure, { code: 'ERR_CONNECT_TIMEOUT', kind: 'timeout', remedy: /Timeouts\.Connect/ })
    await closed(connected.at(-1))
  })
  t.test('ends when the connections are closed', async (t) => {
    const connections = openConnections({ ...outgoingDirect, certificateAuthorities: [] })
    const before = connected.length
    const attempt = connections.fetch(silent)
    attempt.catch(() => {})
    while (connected.length === before) await new Promise(setImmediate)
    await connections.close()
    await t.rejects(attempt)
    await closed(connected.at(-1))
  })
})

async function closed(socket: Socket | undefined): Promise<void> {
  if (!socket || socket.closed) return
  socket.resume()
  await once(socket, 'close')
}
