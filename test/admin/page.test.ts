import { once } from 'node:events'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { basic, digestOf, hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'
import { startHeldGoogle } from '../server/google.ts'

const study = [...syntheticStudy({ instances: 2, seed: 1 })]
const other = [...syntheticStudy({ instances: 1, seed: 2 })]

interface PageMessage {
  interval: number
  accounts: {
    name: string
    state: string
    credential: { identity: string | null }
    failures?: object[]
    samples: Record<string, number>[]
    inFlight: { count: number; requests: Record<string, unknown>[] }
  }[]
}

/** The messages of the status stream, one after another. */
async function* messagesOf(t: Test, adminUrl: string | null, headers = {}): AsyncGenerator<PageMessage> {
  const ending = new AbortController()
  t.teardown(() => ending.abort())
  const response = await fetch(`${adminUrl}/api/events`, { headers, signal: ending.signal })
  t.equal(response.headers.get('content-type'), 'text/event-stream')
  t.equal(response.headers.get('cache-control'), 'no-store')
  let rest = ''
  for await (const chunk of response.body ?? []) {
    const parts = (rest + Buffer.from(chunk).toString()).split('\n\n')
    rest = parts.pop() ?? ''
    for (const part of parts) if (part.startsWith('data: ')) yield JSON.parse(part.slice(6))
  }
}

async function next(messages: AsyncGenerator<PageMessage>): Promise<PageMessage> {
  const { value } = await messages.next()
  return value
}

t.test('what browsers may do with it: nothing from elsewhere, nothing inline, in no frame', async (t) => {
  const { proxy } = await startServed(t)
  for (const path of ['/', '/page.js', '/page.css', '/uplot.js', '/api/status', '/metrics', '/healthz', '/nothing']) {
    const { headers } = await fetch(proxy.adminUrl + path)
    const policy = headers.get('content-security-policy') ?? ''
    t.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/, path)
    t.match(policy, /frame-ancestors 'none'/, path)
    t.notMatch(policy, /unsafe|https?:|\*/, path)
    t.equal(headers.get('x-content-type-options'), 'nosniff', path)
    t.equal(headers.get('referrer-policy'), 'no-referrer', path)
  }
  const page = await (await fetch(`${proxy.adminUrl}/`)).text()
  t.notMatch(page, /<style|style=|<script(?![^>]* src=)|\son\w+=|https?:/i)
})

t.test('all that the page names is there, and only that', async (t) => {
  const { proxy } = await startServed(t)
  const page = await fetch(`${proxy.adminUrl}/`)
  t.equal(page.headers.get('content-type'), 'text/html; charset=utf-8')
  const named = [...(await page.text()).matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, path]) => path ?? '')
  const modules = ['page.js']
  for (const path of modules) {
    const source = await (await fetch(`${proxy.adminUrl}/${path}`)).text()
    const imported = [...source.matchAll(/from '\.\/([^']+)'/g)].map(([, name]) => name ?? '')
    modules.push(...imported.filter((name) => !modules.includes(name)))
  }
  t.ok(modules.includes('uplot.js'))
  for (const path of new Set([...named, ...modules])) {
    const response = await fetch(`${proxy.adminUrl}/${path}`)
    t.ok(response.status === 200 || path === 'readyz', path)
    t.ok((await response.text()).length > 0, path)
  }
  for (const path of [
    '/index.html',
    '/uplot.d.ts',
    '/tsconfig.json',
    '/../package.json',
    '/%2e%2e/status.ts',
    '/page/',
  ]) {
    t.equal((await fetch(proxy.adminUrl + path)).status, 404, path)
  }
})

t.test('files are asked for again, and sent only when they have changed', async (t) => {
  const { proxy } = await startServed(t)
  const { headers } = await fetch(`${proxy.adminUrl}/page.css`)
  t.equal(headers.get('cache-control'), 'no-cache')
  const again = await fetch(`${proxy.adminUrl}/page.css`, { headers: { 'if-none-match': headers.get('etag') ?? '' } })
  t.equal(again.status, 304)
  t.equal(await again.text(), '')
})

t.test('a name from elsewhere that leads here reads nothing (DNS rebinding); probes go by any name', async (t) => {
  const { proxy } = await startServed(t)
  const ask = async (path: string, host: string) => {
    const [response] = await once(request(proxy.adminUrl + path, { headers: { host } }).end(), 'response')
    return { status: response.statusCode as number, body: await text(response) }
  }
  for (const host of ['rebound.example', 'localhost.example', '127.0.0.1.example:8044', 'a b', '[::1']) {
    for (const path of ['/', '/api/status', '/api/events', '/metrics', '/page.js']) {
      const { status, body } = await ask(path, host)
      t.equal(status, 421, `${host} ${path}`)
      t.notMatch(body, /google|dicomStores/)
    }
  }
  for (const host of ['127.0.0.1:8044', 'localhost', 'LOCALHOST:1', '[::1]:8044', '10.1.2.3', 'proxy.localhost']) {
    t.equal((await ask('/api/status', host)).status, 200, host)
  }
  t.equal((await ask('/healthz', 'pod.cluster.local')).status, 200)
})

t.test('from other machines: for administrators, who are asked for a password by their browser', async (t) => {
  const password = 'correct horse battery'
  const Clients = {
    operator: { PasswordHash: hashOf(password), Admin: true },
    viewer: { TokenDigest: digestOf('viewer-token'), Accounts: { google: ['QIDO-RS'] } },
  }
  // Loopback, though nobody could tell by the name: so it counts as an address that other machines
  // reach.
  const { proxy } = await startServed(t, { proxy: { Clients, AdminListen: '127.1:0' } })
  const url = `http://127.0.0.1:${new URL(proxy.adminUrl ?? '').port}`
  for (const path of ['/', '/page.js', '/api/events']) {
    const unknown = await fetch(url + path)
    t.equal(unknown.status, 401, path)
    t.match(unknown.headers.get('www-authenticate'), /^Basic /)
    t.equal((await fetch(url + path, { headers: { authorization: 'Bearer viewer-token' } })).status, 403, path)
  }
  t.equal((await fetch(`${url}/`, { headers: basic('operator', password) })).status, 200)
  const messages = messagesOf(t, url, basic('operator', password))
  t.match(await next(messages), { accounts: [{ name: 'google' }] })
})

t.test('the stream: all at first, then what is new', async (t) => {
  const served = await startServed(t)
  await eventually('there is a token', async () => (await fetch(`${served.proxy.adminUrl}/readyz`)).ok)
  await (await fetch(`${served.url}studies?bogus=1`)).text()
  await eventually('it is in the log', () => served.log().some(({ msg }) => msg === 'request'))
  const messages = messagesOf(t, served.proxy.adminUrl)
  const first = await next(messages)
  t.match(first, { interval: 2000, version: /^\d/, accepting: true, audit: null })
  t.match(first.accounts, [
    {
      name: 'google',
      state: 'unused',
      samples: [{ requests: 1, rejected: 1 }],
      access: ['STOW-RS', 'QIDO-RS', 'WADO-RS', 'DELETE'],
      credential: {
        kind: 'Service account key',
        identity: served.credentials.serviceAccountEmail,
        file: served.credentials.serviceAccountFile,
      },
      token: { ready: true, tokenFetchedAt: /^\d{4}-/ },
      failures: [{ status: 400 }],
      inFlight: { count: 0, requests: [] },
    },
  ])
  await (await fetch(`${served.url}studies`, stowOf(study))).text()
  const second = await next(messages)
  t.equal(second.accounts[0]?.failures, undefined, 'old failures are not sent again')
  t.match(second.accounts, [{ state: 'working', samples: [{ requests: 1, failed: 0, rejected: 0 }] }])
  t.equal(second.accounts[0]?.samples[0]?.received, stowOf(study).body.length)
  const path = `studies/${study[0]?.studyInstanceUid}`
  await (await fetch(served.url + path, stowOf([...study, ...other]))).text()
  const incomplete = await next(messages)
  t.match(incomplete.accounts, [{ state: 'troubled', samples: [{ requests: 1, failed: 0, incomplete: 1 }] }])
  served.emulator.faults.add({ target: 'QIDO-RS', status: 403 })
  for (let number = 0; number < 3; number++) await (await fetch(`${served.url}studies`)).text()
  const third = await next(messages)
  t.match(third.accounts, [
    {
      state: 'failing',
      samples: [{ requests: 3, failed: 3 }],
      failures: [{ status: 403, times: 3 }, { status: 409 }, { status: 400 }],
    },
  ])
  t.notMatch(JSON.stringify([first, second, third]), /ya29|PRIVATE KEY|2\.25\.\d{8}|Synthetic|127\.0\.0\.1/)
  const again = await next(messagesOf(t, served.proxy.adminUrl))
  t.equal(again.accounts[0]?.samples.length, 4, 'whoever comes later gets what was before')
})

t.test('requests in flight, and their progress', async (t) => {
  const google = await startHeldGoogle(t)
  const served = await startServed(t, { baseUrl: google.baseUrl })
  const upload = request(`${served.url}studies`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/related; type="application/dicom"; boundary=b', 'content-length': 1_000_000 },
  })
  upload.on('error', () => {})
  upload.write(Buffer.alloc(250_000))
  const search = fetch(`${served.url}studies?PatientName=Doe`)
  await google.reached(2)
  const status = async () => {
    const { accounts } = (await (await fetch(`${served.proxy.adminUrl}/api/status`)).json()) as PageMessage
    return accounts[0]?.inFlight ?? { count: -1, requests: [] }
  }
  await eventually('bytes have passed', async () => (await status()).requests[0]?.received === 250_000)
  const { count, requests } = await status()
  t.equal(count, 2)
  t.match(requests, [
    {
      service: 'STOW-RS',
      route: '/studies',
      phase: 'sent',
      attempts: 1,
      received: 250_000,
      expected: 1_000_000,
      sent: 0,
    },
    { service: 'QIDO-RS', route: '/studies', phase: 'sent', milliseconds: Number },
  ])
  t.notMatch(JSON.stringify(requests), /Doe|127\.0\.0\.1/)
  upload.destroy()
  await eventually('the upload is over', () => google.open.length === 1)
  google.respond()
  await (await search).text()
  await eventually('nothing is in flight', async () => (await status()).count === 0)
})

t.test('credentials of every kind are named, and no secret of them', async (t) => {
  const { proxy } = await startServed(t, {
    accounts: (files) => ({
      user: { ...demoAccount, AuthorizedUserFile: files.authorizedUserFile },
      inline: {
        ...demoAccount,
        AuthorizedUserClientId: 'an-id',
        AuthorizedUserClientSecret: 'a-secret',
        AuthorizedUserRefreshToken: 'a-refresh-token',
      },
      acting: {
        ...demoAccount,
        ServiceAccountFile: files.serviceAccountFile,
        ImpersonateServiceAccount: 'other@demo.iam.gserviceaccount.com',
      },
      missing: { ...demoAccount, ServiceAccountFile: 'missing.json' },
      machine: { ...demoAccount, ApplicationDefault: true },
    }),
  })
  const accountsOf = async () => {
    const { accounts } = (await (await fetch(`${proxy.adminUrl}/api/status`)).json()) as PageMessage
    return accounts.map(({ name, credential }) => ({ name, ...credential }))
  }
  const known = async () => (await accountsOf()).filter(({ identity }) => identity !== null).length
  await eventually('all but the missing file are read', async () => (await known()) === 5)
  const accounts = await accountsOf()
  t.match(accounts, [
    { name: 'google', kind: 'Service account key', identity: 'proxy@demo.iam.gserviceaccount.com' },
    { name: 'user', kind: 'User login', identity: /^a user of OAuth client / },
    { name: 'inline', kind: 'User login', identity: 'a user of OAuth client an-id', file: null },
    { name: 'acting', kind: 'Impersonation, by service account key', identity: 'other@demo.iam.gserviceaccount.com' },
    { name: 'missing', kind: 'Service account key', identity: null, file: /missing\.json$/ },
    { name: 'machine', kind: 'Application Default Credentials', identity: 'service account of this machine' },
  ])
  t.notMatch(JSON.stringify(accounts), /a-secret|a-refresh-token|PRIVATE|ya29/)
})

t.test('streams end with the proxy', async (t) => {
  const served = await startServed(t)
  const messages = messagesOf(t, served.proxy.adminUrl)
  await next(messages)
  const rest = (async () => {
    for await (const _ of messages) {
      // Anything that still comes.
    }
  })()
  await served.proxy.close()
  await rest.catch(() => {})
  t.pass('ended')
})
