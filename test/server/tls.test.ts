import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { connect, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { dicomWebServices } from '../../src/config/settings.ts'
import { basic, hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { type Authority, type Identity, makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { type Served, startServed } from '../helpers/served.ts'

const password = 'correct horse battery'
const everything = { google: dicomWebServices }

interface Secured extends Served {
  readonly authority: Authority
  readonly clients: Authority
  readonly server: Identity
}

async function startSecured(
  t: Test,
  { tls = {}, clients = {}, ...more }: { tls?: object; clients?: object } & object = {},
) {
  const authority = makeAuthority(t)
  const clientAuthority = makeAuthority(t, 'Authority of clients')
  const server = authority.issue()
  const proxy = {
    Tls: {
      Certificate: server.certificate,
      Key: server.key,
      ClientAuthorities: clientAuthority.certificate,
      ...tls,
    },
    Clients: {
      pathology: { CertificateSubject: 'CN=pathology,O=Hospital', Accounts: everything },
      radiology: { CertificateName: 'DNS:Radiology.example', PasswordHash: hashOf(password), Accounts: everything },
      ...clients,
    },
    ...more,
  }
  const served = await startServed(t, { proxy })
  return { ...served, authority, clients: clientAuthority, server } satisfies Secured
}

interface Asking {
  readonly identity?: Identity
  readonly headers?: Record<string, string>
  readonly ca?: string
}

/** Status of a search, over a connection of its own. */
async function search({ url, authority }: Secured, { identity, headers, ca = authority.cert }: Asking = {}) {
  const pair = identity && { cert: identity.cert, key: identity.keyText }
  const asked = request(`${url}studies`, { agent: false, ca, headers, ...pair }).end()
  const [response] = await once(asked, 'response')
  await buffer(response)
  return response.statusCode as number
}

const client = { usage: 'clientAuth', subject: '/O=Hospital/CN=pathology' } as const

t.test('a certificate gets its client in, by subject or by alternative name', needsOpenssl(), async (t) => {
  const secured = await startSecured(t)
  const { clients, emulator, log } = secured
  t.match(secured.url, /^https:/)
  t.equal(await search(secured, { identity: clients.issue(client) }), 200)
  const named = { usage: 'clientAuth', subject: '/CN=x', alternatives: ['DNS:other', 'DNS:RADIOLOGY.example'] } as const
  t.equal(await search(secured, { identity: clients.issue(named) }), 200)
  t.equal(await search(secured, { headers: basic('radiology', password) }), 200, 'a password without certificate')
  t.same(
    log()
      .filter(({ msg }) => msg === 'request')
      .map(({ client }) => client),
    ['pathology', 'radiology', 'radiology'],
  )
  t.equal(emulator.log.filter(({ method }) => method === 'GET').length, 3)
})

t.test('any other certificate does not', needsOpenssl(), async (t) => {
  const secured = await startSecured(t)
  const { clients, authority, emulator, log } = secured
  const foreign = makeAuthority(t, 'Authority of clients')
  const usage = 'clientAuth'
  const wrong: [string, Identity | undefined, RegExp][] = [
    ['none', undefined, /nothing to log in with/],
    ['of another authority with the same name', foreign.issue(client), /nothing to log in with/],
    ["of the server's own authority", authority.issue(client), /nothing to log in with/],
    ['that has ended', clients.issue({ ...client, days: -1 }), /nothing to log in with/],
    ['for servers', clients.issue({ ...client, usage: 'serverAuth' }), /nothing to log in with/],
    [
      'of nobody',
      clients.issue({ usage, subject: '/O=Hospital/CN=nobody' }),
      /of no client, or of two: CN=nobody,O=Hosp/,
    ],
    ['with more in its subject', clients.issue({ usage, subject: '/O=Hospital/OU=x/CN=pathology' }), /of no client/],
    ['with less', clients.issue({ usage, subject: '/CN=pathology' }), /of no client/],
    ['in another case', clients.issue({ usage, subject: '/O=Hospital/CN=Pathology' }), /of no client/],
    ['with a comma in one attribute', clients.issue({ usage, subject: '/CN=pathology,O=Hospital' }), /of no client/],
    ['with a line break in it', clients.issue({ usage, subject: '/CN=a\nO=Hospital' }), /of no client/],
    ['with the name as common name', clients.issue({ usage, subject: '/CN=radiology.example' }), /of no client/],
    [
      'with the name as another kind',
      clients.issue({ usage, subject: '/CN=x', alternatives: ['email:radiology.example', 'URI:radiology.example'] }),
      /of no client/,
    ],
    [
      'with two names in one',
      clients.issue({
        usage,
        subject: '/CN=x',
        alternatives: ['URI:http://x/, DNS:radiology.example'],
      }),
      /of no client/,
    ],
    ['of two clients', clients.issue({ ...client, alternatives: ['DNS:radiology.example'] }), /or of two/],
  ]
  for (const [what, identity, reason] of wrong) {
    t.equal(await search(secured, identity ? { identity } : {}), 401, what)
    t.match(log().findLast(({ msg }) => msg === 'request')?.reason, reason, what)
  }
  t.equal(emulator.log.filter(({ method }) => method === 'GET').length, 0)
})

t.test('where a certificate is required, there is no connection without one', needsOpenssl(), async (t) => {
  const secured = await startSecured(t, { tls: { RequireClientCertificate: true } })
  const { clients, log, emulator } = secured
  t.equal(await search(secured, { identity: clients.issue(client) }), 200)
  await t.rejects(search(secured))
  await t.rejects(search(secured, { identity: makeAuthority(t).issue(client) }))
  await eventually('the log says so', () => log().filter(({ msg }) => msg === 'no TLS connection').length === 2)
  t.equal(emulator.log.filter(({ method }) => method === 'GET').length, 1)
})

t.test('plain http on the TLS listener', needsOpenssl(), async (t) => {
  const { url, log } = await startSecured(t)
  await rawRequest(url, 'GET /google/studies HTTP/1.1\r\nHost: localhost\r\n\r\n').catch(() => null)
  await eventually('the log says so', () => log().some(({ detail }) => detail === 'It speaks plain http: use https.'))
})

/** An open connection that sends this number of requests. */
async function keep(t: Test, { url, authority }: Secured, identity?: Identity) {
  const { port } = new URL(url)
  const pair = identity && { cert: identity.cert, key: identity.keyText }
  const socket = connect({ port: Number(port), host: '127.0.0.1', ca: authority.cert, ...pair })
  await once(socket, 'secureConnect')
  t.teardown(() => socket.destroy())
  const ask = async (authorization = '') => {
    socket.write(`GET /google/studies HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\n`)
    const [response] = await once(socket, 'data')
    return Number(/^HTTP\/1.1 (\d+)/.exec(String(response))?.[1])
  }
  return { socket, ask }
}

function serialOf(socket: TLSSocket): string {
  return socket.getPeerCertificate().serialNumber
}

t.test('files are read again when they change, and no connection drops', needsOpenssl(), async (t) => {
  const secured = await startSecured(t)
  const { authority, clients, server, log } = secured
  const identity = clients.issue(client)
  const kept = await keep(t, secured, identity)
  t.equal(await kept.ask(), 200)

  const next = authority.issue()
  writeFileSync(server.certificate, next.cert)
  await eventually('what does not fit together is not taken', () =>
    log().some(({ msg }) => /keeping the current ones/.test(String(msg))),
  )
  t.match(
    log().findLast(({ reason }) => reason),
    { reason: /Tls.Key: is not the key of Certificate/ },
  )
  t.equal(serialOf((await keep(t, secured)).socket), serialOf(kept.socket), 'the old one')

  const others = makeAuthority(t, 'Next authority of clients')
  writeFileSync(server.key, next.keyText)
  writeFileSync(clients.certificate, others.cert)
  await eventually('they are taken', () => log().some(({ msg }) => msg === 'TLS files reloaded'))
  t.not(serialOf((await keep(t, secured)).socket), serialOf(kept.socket), 'a new connection meets the new one')
  t.equal(await search(secured, { identity }), 401, 'and the new authority')
  t.equal(await search(secured, { identity: others.issue(client) }), 200)
  t.equal(await kept.ask(), 200, 'the old connection still stands')
})

t.test('a session of before the change is not resumed after it', needsOpenssl(), async (t) => {
  const secured = await startSecured(t)
  const { authority, clients, server, log, url } = secured
  const identity = clients.issue(client)
  const options = {
    port: Number(new URL(url).port),
    host: '127.0.0.1',
    ca: authority.cert,
    cert: identity.cert,
    key: identity.keyText,
  }
  const first = connect({ ...options, maxVersion: 'TLSv1.2' })
  const [session] = await once(first, 'session')
  const again = async () => {
    const socket = connect({ ...options, maxVersion: 'TLSv1.2', session })
    await once(socket, 'secureConnect')
    const resumed = socket.isSessionReused()
    socket.write('GET /google/studies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    return { resumed, status: String(await buffer(socket)).slice(9, 12) }
  }
  first.destroy()
  t.same(await again(), { resumed: true, status: '200' }, 'before')
  writeFileSync(clients.certificate, makeAuthority(t).cert)
  writeFileSync(server.key, server.keyText)
  await eventually('they are taken', () => log().some(({ msg }) => msg === 'TLS files reloaded'))
  t.same(await again(), { resumed: false, status: '401' }, 'after')
})

t.test(
  'the list of clients is read again: a removed client has no rights on open connections, either',
  needsOpenssl(),
  async (t) => {
    const folder = t.testdir({})
    const file = join(folder, 'clients.json')
    const entry = { CertificateName: 'DNS:night.example', PasswordHash: hashOf('first password'), Accounts: everything }
    writeFileSync(file, JSON.stringify({ night: entry }))
    const secured = await startSecured(t, { ClientsFile: file } as object)
    const { clients, log } = secured
    const kept = await keep(
      t,
      secured,
      clients.issue({ usage: 'clientAuth', subject: '/CN=x', alternatives: ['DNS:night.example'] }),
    )
    const other = await keep(t, secured)
    const login = `Authorization: ${basic('night', 'first password').authorization}\r\n`
    t.equal(await kept.ask(), 200)
    t.equal(await other.ask(login), 200)

    writeFileSync(file, '{ "night": ')
    await eventually('what cannot be read is not taken', () =>
      log().some(({ msg }) => /keeping the current clients/.test(String(msg))),
    )
    t.equal(await other.ask(login), 200)

    writeFileSync(file, JSON.stringify({ night: { ...entry, PasswordHash: hashOf('second password') } }))
    await eventually('it is taken', () => log().some(({ msg }) => msg === 'ClientsFile reloaded'))
    t.equal(await other.ask(login), 401, 'the password of before is none any more')
    t.equal(await other.ask(`Authorization: ${basic('night', 'second password').authorization}\r\n`), 200)
    t.equal(await kept.ask(), 200, 'the certificate still is one')

    writeFileSync(file, JSON.stringify({ day: { ...entry, CertificateName: 'DNS:day.example' } }))
    await eventually('again', () => log().filter(({ msg }) => msg === 'ClientsFile reloaded').length === 2)
    t.equal(await kept.ask(), 401)
    t.equal(await other.ask(`Authorization: ${basic('night', 'second password').authorization}\r\n`), 401)
  },
)

t.test('a shutdown waits neither for a handshake nor for idle connections', needsOpenssl(), async (t) => {
  const secured = await startSecured(t)
  const { socket, ask } = await keep(t, secured)
  await ask()
  const silent = connectPlain(Number(new URL(secured.url).port), '127.0.0.1')
  t.teardown(() => silent.destroy())
  await once(silent, 'connect')
  const ended = Promise.all([once(socket, 'close'), once(silent, 'close')])
  socket.resume()
  silent.resume()
  const began = performance.now()
  t.equal(await secured.proxy.close(), 0)
  await ended
  t.ok(performance.now() - began < 10_000)
})

t.test(
  'a large upload that is rejected gets its response, and the connection stays open',
  needsOpenssl(),
  async (t) => {
    const { url, authority, emulator } = await startSecured(t)
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: authority.cert })
    t.teardown(() => agent.destroy())
    const headers = { 'content-type': 'multipart/related; type="application/dicom"; boundary=x' }
    for (let number = 0; number < 2; number++) {
      const asked = request(`${url}studies`, { method: 'POST', agent, headers })
      asked.on('error', () => {})
      asked.end(Buffer.alloc(24 * 1024 * 1024))
      const [response] = await once(asked, 'response')
      t.equal(response.statusCode, 401)
      t.match(JSON.parse(String(await buffer(response))), { code: 'client-unauthenticated' })
    }
    t.equal(emulator.log.filter(({ target }) => target.includes('/dicomStores/')).length, 0)
  },
)

t.test('who begins no handshake is not waited for', needsOpenssl(), async (t) => {
  const { url, log } = await startSecured(t, { Timeouts: { RequestHeaders: 1 } } as object)
  const silent = connectPlain(Number(new URL(url).port), '127.0.0.1')
  silent.on('error', () => {}).resume()
  await new Promise((resolve) => silent.once('close', resolve))
  await eventually('the log says so', () => log().some(({ reason }) => reason === 'ERR_TLS_HANDSHAKE_TIMEOUT'))
})
