import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { digestOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed } from '../helpers/served.ts'

const Accounts = { google: ['STOW-RS', 'QIDO-RS'] }
const tokens = { gateway: 'g'.repeat(43), script: 's'.repeat(43) }
const Clients = {
  gateway: { TokenDigest: digestOf(tokens.gateway), UserHeader: 'X-Forwarded-User', Accounts },
  script: { TokenDigest: digestOf(tokens.script), Accounts },
}

/** The proxy in front of a server that keeps what it gets. */
async function start(t: Test, clients: object = { Clients }) {
  const folder = await mkdtemp(join(tmpdir(), 'audit-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'audit.jsonl')
  const received: IncomingHttpHeaders[] = []
  const google = createServer((request, response) => {
    received.push(request.headers)
    request.resume().on('end', () => response.setHeader('content-type', 'application/dicom+json').end('[]'))
  })
  const proxy = { ...clients, Audit: { File: file } }
  const served = await startServed(t, { baseUrl: await listenOn(t, google), proxy })
  const records = async () => {
    const lines = (await readFile(file, 'utf8')).trim().split('\n')
    return lines.map((line) => JSON.parse(line)).filter(({ audit }) => audit === 'request')
  }
  const lines = () => served.log().filter(({ msg }) => msg === 'request')
  /** Status, log line and record of a request; header lines are sent byte by byte. */
  const ask = async (headers: string, token: string | null, line = 'GET /google/studies') => {
    const before = (await records()).length
    const login = token === null ? '' : `Authorization: Bearer ${token}\r\n`
    const head = `${line} HTTP/1.1\r\nHost: localhost\r\n${login}${headers}Connection: close\r\n\r\n`
    const response = (await rawRequest(served.proxy.url, Buffer.from(head, 'latin1'))).toString()
    await eventually('it is recorded', async () => (await records()).length > before)
    return { response, status: Number(response.slice(9, 12)), line: lines().at(-1), record: (await records()).at(-1) }
  }
  return { ...served, received, ask }
}

const utf8 = (text: string) => Buffer.from(text).toString('latin1')

t.test('who it was is in log and audit trail, and Google never hears of it', async (t) => {
  const { ask, received } = await start(t)
  const name = 'X-Forwarded-User'
  for (const [sent, user] of [
    [`${name}: mueller\r\n`, 'mueller'],
    [`x-forwarded-USER: ${utf8('Müller, Jörg <j@hospital.example>')}\r\n`, 'Müller, Jörg <j@hospital.example>'],
    [`${name}: ${'x'.repeat(256)}\r\n`, 'x'.repeat(256)],
    [`${name}: \r\n`, undefined],
    ['', undefined],
    ['X-Forwarded-Email: other\r\nRemote-User: other\r\n', undefined],
  ] as const) {
    const { status, line, record } = await ask(sent, tokens.gateway)
    t.same([status, line?.client, record.client], [200, 'gateway', 'gateway'])
    t.same([line?.user, record.user], [user, user])
  }
  const refused = await ask(`${name}: mueller\r\n`, tokens.gateway, 'DELETE /google/studies/1.2.3')
  t.same([refused.status, refused.line?.user, refused.record.user], [403, 'mueller', 'mueller'])
  t.equal(received.length, 6)
  for (const headers of received) t.notMatch(JSON.stringify(headers), /mueller|Müller|forwarded|remote-user|xxxx/i)
})

t.test('a value that nobody could be sure of is refused', async (t) => {
  const { ask, received } = await start(t)
  const name = 'X-Forwarded-User'
  for (const sent of [
    `${name}: ${'x'.repeat(257)}\r\n`,
    `${name}: a\tb\r\n`,
    `${name}: ${utf8('a\u202eb')}\r\n`,
    `${name}: ${utf8('a\u2028b')}\r\n`,
    `${name}: ${utf8('a\u0085b')}\r\n`,
    `${name}: M\xfcller\r\n`,
    `${name}: a\r\n${name}: b\r\n`,
    `${name}: a\r\n${name.toLowerCase()}: a\r\n`,
  ]) {
    const { response, line, record } = await ask(sent, tokens.gateway)
    t.match(response, /^HTTP\/1\.1 400 .*"code":"malformed-request"/s, JSON.stringify(sent))
    t.match(response, 'x-forwarded-user')
    t.same([line?.user, record.user, record.client], [undefined, undefined, 'gateway'])
  }
  t.equal(received.length, 0)
})

t.test('who has no leave to say so is not believed, and not recorded', async (t) => {
  const { ask, received, log } = await start(t)
  for (const [token, status] of [
    [tokens.script, 200],
    ['x'.repeat(43), 401],
    [null, 401],
  ] as const) {
    for (const value of ['chief', 'chief\tchief', 'chief'.repeat(100)]) {
      const { status: got, record } = await ask(`X-Forwarded-User: ${value}\r\n`, token)
      t.same([got, record.user], [status, undefined])
    }
  }
  t.notMatch(JSON.stringify([log(), received]), 'chief')

  const open = await start(t, {})
  const { status, record, line } = await open.ask('X-Forwarded-User: chief\r\n', null)
  t.same([status, record.user, line?.user], [200, undefined, undefined])
  t.notMatch(JSON.stringify([open.log(), open.received]), 'chief')
})
