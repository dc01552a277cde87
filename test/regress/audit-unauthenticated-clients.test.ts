import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { AuditFile } from '../../src/observe/audit/audit-file.ts'
import type { AuditRecord } from '../../src/observe/audit/audit-record.ts'
import { AuditSubjects } from '../../src/observe/audit/audit-subjects.ts'
import { AuditTrail } from '../../src/observe/audit/audit-trail.ts'
import { RequestEvent } from '../../src/observe/request-event.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { digestOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed } from '../helpers/served.ts'

const Clients = { viewer: { TokenDigest: digestOf('right'), Accounts: { google: ['QIDO-RS'] } } }
const right = { authorization: 'Bearer right' }

/** It may be reset. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.on('error', () => {}).once('close', () => resolve()))
}

type Line = Record<string, unknown> & { audit: string }

async function startAudited(t: Test, proxy: object | ((folder: string) => Promise<object>)) {
  const folder = await mkdtemp(join(tmpdir(), 'anonymous-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'audit.jsonl')
  const more = typeof proxy === 'function' ? await proxy(folder) : proxy
  const served = await startServed(t, { proxy: { Audit: { File: file }, ...more } })
  const lines = async (): Promise<Line[]> =>
    (await readFile(file, 'utf8'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  const ask = async (headers: Record<string, string> = {}, localAddress = '127.0.0.1', path = 'studies') => {
    const [response] = await once(request(served.url + path, { headers, localAddress, agent: false }).end(), 'response')
    response.resume()
    return response.statusCode as number
  }
  return { ...served, file, lines, ask, port: Number(new URL(served.url).port) }
}

t.test(
  'unauthenticated clients have a limited number of records, and one that counts the rest; clients have all',
  async (t) => {
    const { ask, lines, proxy } = await startAudited(t, { Clients })
    for (let asked = 0; asked < 100; asked++) await ask({}, asked % 2 ? '127.0.0.2' : '127.0.0.3')
    for (let asked = 0; asked < 100; asked++) t.equal(await ask(right), 200)
    await proxy.close()
    const all = await lines()
    const requests = all.filter(({ audit }) => audit === 'request')
    t.equal(requests.filter(({ client }) => client === 'viewer').length, 100)
    t.equal(requests.filter(({ client }) => client === undefined).length, 60)
    t.match(
      all.filter(({ audit }) => audit === 'rejected'),
      [
        {
          count: 40,
          reasons: { 'client-unauthenticated': 40 },
          addresses: { '127.0.0.2': 20, '127.0.0.3': 20 },
          since: /^\d{4}-.*Z$/,
        },
      ],
    )
  },
)

t.test('where nobody logs in, every request has a record', async (t) => {
  const { ask, lines, proxy } = await startAudited(t, {})
  for (let asked = 0; asked < 100; asked++) await ask({}, '127.0.0.1', 'nothing')
  await proxy.close()
  t.equal((await lines()).filter(({ audit }) => audit === 'request').length, 100)
})

t.test('connections that are refused', async (t) => {
  const { port, lines } = await startAudited(t, { AllowedNetworks: ['127.0.0.9/32'] })
  const socket = connect(port, '127.0.0.1')
  await closeOf(socket)
  await eventually('it is recorded', async () => (await lines()).length === 2)
  t.match((await lines())[1], {
    audit: 'connection',
    time: /^\d{4}-.*Z$/,
    event: 'connection refused',
    address: '127.0.0.1',
    outcome: 'rejected',
    reason: 'not in AllowedNetworks',
  })
})

t.test('what can’t be read, and unknown accounts', async (t) => {
  const { proxy, lines, ask } = await startAudited(t, { Clients })
  await rawRequest(proxy.url, 'nonsense\r\n\r\n')
  await rawRequest(proxy.url, `GET /google/studies HTTP/1.1\r\nHost: p\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`)
  await ask(right, '127.0.0.1', '../secret/studies')
  await eventually('all are recorded', async () => (await lines()).length === 4)
  t.match((await lines()).slice(1), [
    { audit: 'connection', event: 'request', status: 400, code: 'malformed-request', requestId: /^[0-9a-f-]{36}$/ },
    { audit: 'connection', event: 'request', status: 431, code: 'header-too-large' },
    { audit: 'request', client: 'viewer', status: 404, code: 'unknown-account' },
  ])
})

t.test('handshakes that are refused', async (t) => {
  const certificate = makeCertificate()
  const proxy = async (folder: string) => {
    const Tls = {
      Certificate: join(folder, 'c.pem'),
      Key: join(folder, 'k.pem'),
      ClientAuthorities: join(folder, 'a.pem'),
      RequireClientCertificate: true,
    }
    await writeFile(Tls.Certificate, certificate.cert)
    await writeFile(Tls.Key, certificate.key)
    await writeFile(Tls.ClientAuthorities, certificate.authority)
    return { Tls, Clients }
  }
  const { port, lines } = await startAudited(t, proxy)
  const { cert, key } = makeCertificate()
  for (const own of [{}, { cert, key }]) {
    const socket = connectTls({ port, host: '127.0.0.1', ca: certificate.authority, ...own })
    socket.resume()
    await closeOf(socket)
  }
  await eventually('both are recorded', async () => (await lines()).length === 3)
  t.match((await lines()).slice(1), [
    { audit: 'connection', event: 'no TLS connection', address: '127.0.0.1', reason: /./ },
    { audit: 'connection', event: 'no TLS connection', reason: /./ },
  ])
})

t.test('what unauthenticated clients cause displaces no record of a client', async (t) => {
  let lost = 0
  const reports = { failing() {}, recovered() {}, closed() {}, lost: (records: number) => (lost += records) }
  const file = new AuditFile('/dev/full', reports)
  const record = {
    audit: 'connection',
    time: '',
    address: '',
    event: 'x'.repeat(1_000_000),
    outcome: 'rejected',
  } as const
  for (let written = 0; written < 20; written++) file.write(record, true)
  t.equal(lost, 16)
  for (let written = 0; written < 12; written++) file.write(record)
  t.equal(lost, 16)
})

t.test('nor do the requests that are refused because the trail fails', async (t) => {
  const kept: [unknown, unknown][] = []
  const sink = {
    available: false,
    write: (record: AuditRecord, isLowPriority = false) => kept.push(['code' in record && record.code, isLowPriority]),
    close: async () => {},
  }
  const more = { version: '1', required: true, queryValues: false, losses: { records: 0 } }
  const trail = new AuditTrail({ sinks: [sink], ...more })
  const event = new RequestEvent('127.0.0.1', 'GET', new AuditSubjects())
  event.code = 'audit-unavailable'
  trail.record(event)
  event.code = 'upstream-reset'
  trail.record(event)
  await trail.close()
  t.same(kept.slice(1, 3), [
    ['audit-unavailable', true],
    ['upstream-reset', false],
  ])
})
