import { once } from 'node:events'
import { request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { json } from 'node:stream/consumers'
import t from 'tap'
import { basic, digestOf, hashOf } from '../helpers/clients.ts'
import { makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { startServed } from '../helpers/served.ts'

const password = 'correct horse battery'
const Clients = {
  operator: { PasswordHash: hashOf(password), Admin: true },
  viewer: { TokenDigest: digestOf('viewer-token'), Accounts: { google: ['QIDO-RS'] } },
}
/**
 * Loopback, though nobody could tell by the name: so it counts as an address that other machines
 * reach.
 */
const AdminListen = '127.1:0'
const operator = basic('operator', password)
const viewer = { authorization: 'Bearer viewer-token' }

async function ask(
  url: string,
  headers: Record<string, string> = {},
  more: { ca?: string; localAddress?: string } = {},
) {
  const send = url.startsWith('https') ? secureRequest : request
  const [response] = await once(send(url, { headers, agent: false, ...more }).end(), 'response')
  return { status: response.statusCode as number, headers: response.headers, body: (await json(response)) as object }
}

t.test('from other machines: probes without detail, all else for administrators', async (t) => {
  const { proxy, log } = await startServed(t, { proxy: { Clients, AdminListen } })
  const url = `http://127.0.0.1:${new URL(proxy.adminUrl ?? '').port}`
  t.match(await ask(`${url}/healthz`), { status: 200, body: { status: 'alive' } })
  for (const headers of [{}, viewer, basic('operator', 'wrong'), { authorization: 'nonsense' }]) {
    const { status, body } = await ask(`${url}/readyz`, headers)
    t.ok(status === 200 || status === 503)
    t.same(Object.keys(body), ['ready'])
  }
  t.match(await ask(`${url}/readyz`, operator), { body: { accounts: [{ name: 'google' }] } })

  t.match(await ask(`${url}/api/status`), {
    status: 401,
    headers: { 'www-authenticate': /^Basic / },
    body: { code: 'client-unauthenticated' },
  })
  t.match(await ask(`${url}/api/status`, viewer), { status: 403, body: { code: 'admin-only', detail: /viewer/ } })
  t.match(await ask(`${url}/api/status`, operator), { status: 200, body: { accounts: [{ name: 'google' }] } })
  t.equal((await ask(`${url}/other`)).status, 404)
  t.match(
    log().filter(({ msg }) => msg === 'admin request'),
    [
      { status: 401, code: 'client-unauthenticated', address: '127.0.0.1', reason: 'nothing to log in with' },
      { status: 403, code: 'admin-only' },
    ],
  )
})

t.test('an administrator has no rights on the data listener', async (t) => {
  const { url } = await startServed(t, { proxy: { Clients } })
  t.equal((await ask(`${url}studies`, operator)).status, 404)
})

t.test('from this machine nobody is asked', async (t) => {
  const { proxy } = await startServed(t, { proxy: { Clients } })
  t.match(await ask(`${proxy.adminUrl}/api/status`), { status: 200, body: { accounts: [{ name: 'google' }] } })
})

t.test('it speaks TLS where other machines reach it, and plain http where they do not', needsOpenssl(), async (t) => {
  const authority = makeAuthority(t)
  const { certificate, key } = authority.issue()
  const Tls = { Certificate: certificate, Key: key }
  const open = await startServed(t, { proxy: { Clients, Tls, AdminListen } })
  t.match(open.proxy.adminUrl, /^https:/)
  const url = `https://127.0.0.1:${new URL(open.proxy.adminUrl ?? '').port}`
  t.equal((await ask(`${url}/api/status`, operator, { ca: authority.cert })).status, 200)
  const local = await startServed(t, { proxy: { Clients, Tls } })
  t.match(local.proxy.adminUrl, /^http:/)
  t.equal((await ask(`${local.proxy.adminUrl}/healthz`)).status, 200)
})

t.test('AllowedNetworks holds there, too, but this machine always gets in', async (t) => {
  const { proxy } = await startServed(t, {
    proxy: { Clients, AdminListen, AllowedNetworks: ['192.0.2.0/24'] },
  })
  const url = `http://127.0.0.1:${new URL(proxy.adminUrl ?? '').port}`
  t.equal((await ask(`${url}/healthz`)).status, 200)
})
