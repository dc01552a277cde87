import { createServer } from 'node:http'
import { connect } from 'node:net'
import { type Test, test } from 'tap'
import type { CredentialSource } from '../../src/config/settings.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { listenOn } from '../helpers/listen.ts'
import { everySource, startIssuer } from './issuer.ts'

interface OutgoingProxy {
  readonly host: string
  /** `host:port` of each tunnel, with the proxy credentials that came with it. */
  readonly tunnels: { target: string; authorization: string | undefined }[]
  /** Requests that were to be made without a tunnel. */
  readonly plain: string[]
}

/** An HTTP proxy (RFC 9110 9.3.6) that lets everybody through, or only who has the login. */
async function startOutgoingProxy(t: Test, login?: string): Promise<OutgoingProxy> {
  const tunnels: OutgoingProxy['tunnels'] = []
  const plain: string[] = []
  const expected = login && `Basic ${Buffer.from(login).toString('base64')}`
  const server = createServer((request, response) => {
    plain.push(String(request.url))
    response.writeHead(502).end()
  })
  server.on('connect', (request, client) => {
    const authorization = request.headers['proxy-authorization']
    tunnels.push({ target: String(request.url), authorization })
    client.on('error', () => {})
    if (authorization !== expected) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n')
      return
    }
    const { hostname, port } = new URL(`http://${request.url}`)
    const upstream = connect(Number(port), hostname, () => client.write('HTTP/1.1 200 OK\r\n\r\n'))
    upstream.on('error', () => client.destroy())
    upstream.on('close', () => client.destroy())
    client.on('close', () => upstream.destroy())
    client.pipe(upstream).pipe(client)
  })
  return { host: new URL(await listenOn(t, server)).host, tunnels, plain }
}

for (const login of [undefined, 'user:p@ss w/rd']) {
  test(`token requests of every kind go through the outgoing proxy ${login ? 'with' : 'without'} a login`, async (t) => {
    const proxy = await startOutgoingProxy(t, login)
    const tls = makeCertificate()
    const userinfo = login ? `${login.split(':').map(encodeURIComponent).join(':')}@` : ''
    const url = `http://${userinfo}${proxy.host}`
    const { emulator, files, fetchToken } = await startIssuer(t, {
      emulator: { tls },
      outgoing: { httpsProxy: url, httpProxy: url, certificateAuthorities: [tls.authority] },
    })
    const authorization = login && `Basic ${Buffer.from(login).toString('base64')}`
    const token = await fetchToken({ kind: 'service-account-file', file: files.serviceAccountFile })
    t.match(token.value, /^ya29\./)
    t.same(proxy.tunnels, [{ target: emulator.metadataHost, authorization }])
    for (const [kind, [source]] of Object.entries(everySource(emulator, files))) {
      if (kind.includes('metadata')) continue
      await fetchToken(source, { impersonate: files.impersonatedEmail })
    }
    // No kind had a connection that did not come through a tunnel: each tunnel is one client port
    // for the emulator.
    const ports = new Set(emulator.log.map(({ remotePort }) => remotePort))
    t.equal(ports.size, proxy.tunnels.length)
    t.same([...new Set(proxy.tunnels.map(({ target }) => target))], [emulator.metadataHost])
    t.same([...new Set(proxy.tunnels.map(({ authorization: sent }) => sent))], [authorization])
    for (const grant of ['jwt-bearer', 'refresh_token', 'token-exchange', 'impersonation'] as const) {
      t.ok(emulator.tokenRequests[grant] > 0, grant)
    }
    t.ok(emulator.log.some(({ target }) => target === '/subject-token'))
    for (const { headers } of emulator.log) t.notHas(headers, { 'proxy-authorization': String })
  })
}

test('the metadata server is asked past the outgoing proxy, impersonation is not', async (t) => {
  const proxy = await startOutgoingProxy(t)
  const url = `http://${proxy.host}`
  const { emulator, files, fetchToken } = await startIssuer(t, { outgoing: { httpsProxy: url, httpProxy: url } })
  const { metadataHost } = emulator
  const machine: CredentialSource = { kind: 'application-default', file: null, wellKnownFile: null, metadataHost }
  t.match((await fetchToken(machine)).value, /^ya29\./)
  t.same([proxy.tunnels, proxy.plain], [[], []])

  await t.rejects(fetchToken(machine, { impersonate: files.impersonatedEmail }), { name: 'TokenFailure' })
  t.equal(proxy.tunnels.length + proxy.plain.length, 1)
})

test('hosts in NO_PROXY are asked directly', async (t) => {
  const proxy = await startOutgoingProxy(t)
  const url = `http://${proxy.host}`
  const outgoing = { httpsProxy: url, httpProxy: url, noProxy: '127.0.0.1' }
  const { files, fetchToken } = await startIssuer(t, { outgoing })
  t.match((await fetchToken({ kind: 'service-account-file', file: files.serviceAccountFile })).value, /^ya29\./)
  t.same([proxy.tunnels, proxy.plain], [[], []])
})

test('an outgoing proxy that refuses', async (t) => {
  const proxy = await startOutgoingProxy(t, 'user:right')
  const tls = makeCertificate()
  const url = `http://user:wrong-secret@${proxy.host}`
  const outgoing = { httpsProxy: url, httpProxy: url, certificateAuthorities: [tls.authority] }
  const { emulator, files, failure } = await startIssuer(t, { emulator: { tls }, outgoing })
  const message = await failure({ kind: 'service-account-file', file: files.serviceAccountFile })
  t.match(message, /^The token endpoint cannot be reached: /)
  t.notMatch(message, /wrong-secret/)
  t.equal(emulator.tokenRequests.total, 0)
})

for (const through of ['directly', 'through the outgoing proxy']) {
  test(`certificates are checked, ${through}`, async (t) => {
    const proxy = await startOutgoingProxy(t)
    const url = through === 'directly' ? null : `http://${proxy.host}`
    const [trusted, other] = [makeCertificate(), makeCertificate()]
    const wrongName = makeCertificate({ names: ['oauth2.example'] })
    const late = makeCertificate({ notAfter: new Date(Date.now() - 60_000) })
    const cases = [
      { name: 'its authority is configured', tls: trusted, outgoing: [trusted.authority], works: true },
      { name: 'among others', tls: trusted, outgoing: [other.authority, trusted.authority], works: true },
      { name: 'another authority is', tls: trusted, outgoing: [other.authority], works: false },
      { name: 'none is', tls: trusted, outgoing: null, works: false },
      { name: 'for another host', tls: wrongName, outgoing: [wrongName.authority], works: false },
      { name: 'expired', tls: late, outgoing: [late.authority], works: false },
      { name: 'not to be checked', tls: wrongName, outgoing: null, works: true, verifyPeers: false },
    ]
    for (const { name, tls, outgoing: certificateAuthorities, works, verifyPeers = true } of cases) {
      t.test(name, async (t) => {
        const outgoing = { httpsProxy: url, httpProxy: url, certificateAuthorities, verifyPeers }
        const { emulator, files, fetchToken, failure } = await startIssuer(t, { emulator: { tls }, outgoing })
        for (const [kind, [source]] of Object.entries(everySource(emulator, files))) {
          if (kind.includes('metadata') || kind.startsWith('Application')) continue
          if (works) t.match((await fetchToken(source)).value, /^ya29\./, kind)
          else t.match(await failure(source), /cannot be reached: its certificate is not trusted/, kind)
        }
        t.equal(emulator.log.length > 0, works)
      })
    }
  })
}
