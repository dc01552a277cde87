import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import type { RequestRecord } from '../../src/observe/audit/audit-record.ts'
import { SyslogSink } from '../../src/observe/audit/syslog.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { eventually } from '../helpers/eventually.ts'

const certificate = makeCertificate()

/** A repository that completes TLS, and treats each connection as the test says. */
async function startRepository(t: Test, then: (socket: TLSSocket) => void) {
  const { cert, key } = certificate
  const sockets = new Set<TLSSocket>()
  const server = createServer({ cert, key }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    then(socket)
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, sockets }
}

function startSink(t: Test, port: number, trusted = true) {
  const reported: string[] = []
  const target = {
    host: '127.0.0.1',
    port,
    certificateAuthorities: trusted ? [certificate.authority] : null,
    identity: null,
  }
  const source = { id: 'proxy', hostName: 'h', processId: '1' }
  const reports = {
    failing: ({ message }: Error) => reported.push(`failing: ${message}`),
    recovered: () => reported.push('recovered'),
    lost: () => reported.push('lost'),
    closed: () => {},
  }
  const sink = new SyslogSink(target, source, reports, { writeTimeoutMs: 300, stableAfterMs: 200 })
  t.teardown(() => sink.close())
  return { sink, reported }
}

const search = {
  audit: 'request',
  time: '2026-11-25T00:00:00.000Z',
  client: 'radiology',
  address: '192.0.2.1',
  service: 'QIDO-RS',
  method: 'GET',
  route: '/studies',
  query: 'PatientName='.padEnd(20_000, 'x'),
  outcome: 'succeeded',
  status: 200,
} as RequestRecord

t.test('one that stops reading is not there, until it has taken what waits', async (t) => {
  let reads = false
  const { port, sockets } = await startRepository(t, (socket) => (reads ? socket.resume() : socket.pause()))
  const { sink, reported } = startSink(t, port)
  await eventually('it is connected', () => sink.available)
  // More than the operating systems of both sides take.
  for (let written = 0; written < 200; written++) sink.write(search)
  await eventually('it counts as gone', () => !sink.available)
  await eventually('it reconnects', () => sockets.size > 1)
  t.notOk(sink.available, 'a connection alone does not help')
  t.match(reported, [/^failing: .*takes no/])
  reads = true
  for (const socket of sockets) socket.resume()
  await eventually('it has taken all', () => sink.available)
  t.same(reported.slice(1), ['recovered'])
})

t.test('no request passes while half of the room for records is full', async (t) => {
  const { port } = await startRepository(t, (socket) => socket.pause())
  const { sink } = startSink(t, port)
  await eventually('it is connected', () => sink.available)
  for (let written = 0; written < 500; written++) sink.write(search)
  t.notOk(sink.available, 'at once')
})

t.test('one that accepts and closes is tried less and less often, and said to fail once', async (t) => {
  let connections = 0
  const { port } = await startRepository(t, (socket) => {
    connections += 1
    socket.destroy()
  })
  const { reported, sink } = startSink(t, port)
  const begun = performance.now()
  await eventually('it was tried thrice', () => connections === 3)
  t.ok(performance.now() - begun > 2_900, '1 s, then 2 s')
  t.equal(reported.length, 1)
  t.notOk(sink.available)
})

t.test('the environment can’t make any certificate do', async (t) => {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.teardown(() => {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
  })
  const received: Buffer[] = []
  const { port } = await startRepository(t, (socket) => socket.on('data', (chunk) => received.push(chunk)))
  const { sink, reported } = startSink(t, port, false)
  sink.write(search)
  await eventually('it is refused', () => reported.length > 0)
  t.match(reported, [/^failing: .*certificate/])
  t.same(received, [])
})
