import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import t from 'tap'
import { type DicomWebService, dicomWebServices } from '../../src/config/settings.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { basic, digestOf, hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { demoAccount, type Served, startServed, stowOf } from '../helpers/served.ts'
import { startHeldGoogle } from './google.ts'

const password = 'correct horse battery'
const token = 'a-token-of-the-test'
const login = basic('radiology', password)
const proxy = {
  Clients: {
    radiology: { PasswordHash: hashOf(password), Accounts: { google: dicomWebServices } },
    viewer: { TokenDigest: digestOf(token), Accounts: { google: ['QIDO-RS', 'WADO-RS'] } },
    outsider: { TokenDigest: digestOf('another-token'), Accounts: { other: ['QIDO-RS'] } },
  },
}
const accounts = ({ serviceAccountFile }: { serviceAccountFile: string }) => ({
  other: { ...demoAccount, ServiceAccountFile: serviceAccountFile },
})

async function ask({ url }: Served, headers: Record<string, string>, path = 'studies', method = 'GET') {
  const response = await fetch(new URL(path, url), { method, headers })
  return { status: response.status, headers: response.headers, body: await response.text() }
}

function atGoogle({ emulator }: Served): string[] {
  return emulator.log.filter(({ target }) => target.includes('/dicomStores/')).map(({ method }) => method)
}

t.test('with the right password a client gets in, and its header stays here', async (t) => {
  const served = await startServed(t, { proxy, accounts })
  t.equal((await ask(served, login)).status, 200)
  t.same(atGoogle(served), ['GET'])
  t.match(served.emulator.log.at(-1)?.headers.authorization, /^Bearer ya29\./)
  t.notMatch(JSON.stringify(served.emulator.log), login.authorization.slice(6))
  t.match(
    served.log().filter(({ msg }) => msg === 'request'),
    [{ client: 'radiology', address: '127.0.0.1', status: 204 }],
  )
})

t.test('without one, or with a wrong one, nobody does, and all hear the same', async (t) => {
  const served = await startServed(t, { proxy, accounts })
  const refusals: [string, Record<string, string>][] = [
    ['nothing', {}],
    ['a wrong password', basic('radiology', 'wrong')],
    ['an unknown name', basic('nobody', password)],
    ['a client without password', basic('viewer', token)],
    ['a wrong token', { authorization: 'Bearer wrong' }],
    ['a password as token', { authorization: `Bearer ${password.replaceAll(' ', '-')}` }],
  ]
  const bodies = new Set<string>()
  for (const [what, headers] of refusals.slice(0, 5)) {
    const { status, headers: received, body } = await ask(served, headers)
    t.equal(status, 401, what)
    t.match(received.get('www-authenticate'), /^Basic realm="gcp-dicomweb-proxy", charset="UTF-8", Bearer /, what)
    t.match(received.get('proxy-status'), /details="client-unauthenticated"/)
    bodies.add(body.replace(/"requestId":"[^"]+"/, ''))
  }
  t.equal(bodies.size, 1, 'one text for all')
  t.same(atGoogle(served), [], 'nothing reached Google')
})

t.test('what a client has no right to', async (t) => {
  const served = await startServed(t, { proxy, accounts })
  const viewer = { authorization: `Bearer ${token}` }
  t.equal((await ask(served, viewer)).status, 200)
  const denied = await ask(served, viewer, 'studies/1.2', 'DELETE')
  t.equal(denied.status, 403)
  t.match(JSON.parse(denied.body), { code: 'service-not-allowed', detail: /^Client viewer may not use DELETE/ })
  const text = ({ body }: { body: string }) => body.replace(/"requestId":"[^"]+"/, '')
  const hidden = await ask(served, viewer, '/other/studies')
  const unknown = await ask(served, viewer, '/nowhere/studies')
  t.equal(hidden.status, 404)
  t.equal(text(hidden), text(unknown), 'an account that exists looks like one that does not')
  t.same(atGoogle(served), ['GET'])
})

t.test('a client that has left while its password was verified', async (t) => {
  let asked = 0
  const google = createServer((_request, response) => {
    asked += 1
    response.end('[]')
  })
  google.listen(0, '127.0.0.1')
  await once(google, 'listening')
  t.teardown(() => google.close())
  const { port } = google.address() as { port: number }
  const served = await startServed(t, { proxy, accounts, baseUrl: `http://127.0.0.1:${port}/` })
  const leaving = new AbortController()
  const gone = fetch(`${served.url}studies`, { headers: login, signal: leaving.signal }).catch(() => null)
  setImmediate(() => leaving.abort())
  await gone
  t.equal((await ask(served, login)).status, 200)
  t.equal(asked, 1)
})

t.test('each service, from both sides', async (t) => {
  const study = [...syntheticStudy({ instances: 1 })]
  const [instance] = study
  const requests: Record<DicomWebService, [path: string, init: RequestInit]> = {
    'STOW-RS': ['studies', stowOf(study)],
    'QIDO-RS': ['studies', {}],
    'WADO-RS': [
      `studies/${instance?.studyInstanceUid}`,
      { headers: { accept: 'multipart/related; type="application/dicom"' } },
    ],
    DELETE: [`studies/${instance?.studyInstanceUid}`, { method: 'DELETE' }],
  }
  const token = (service: DicomWebService, may: boolean) => `${service}-${may ? 'only' : 'not'}`
  const entries = dicomWebServices.flatMap((service) => {
    const entry = (may: boolean) => {
      const services = dicomWebServices.filter((each) => (each === service) === may)
      return [token(service, may), { TokenDigest: digestOf(token(service, may)), Accounts: { google: services } }]
    }
    return [entry(true), entry(false)]
  })
  const served = await startServed(t, { proxy: { Clients: Object.fromEntries(entries) } })
  const send = async (service: DicomWebService, may: boolean) => {
    const [path, init] = requests[service]
    const headers = { ...init.headers, authorization: `Bearer ${token(service, may)}` }
    const response = await fetch(served.url + path, { ...init, headers } as RequestInit)
    await response.arrayBuffer()
    return response.status
  }
  for (const service of dicomWebServices) {
    served.emulator.clearLog()
    t.equal(await send(service, false), 403, `${service} for whom it is not`)
    t.same(atGoogle(served), [])
    t.equal(await send(service, true), 200, `${service} for whom it is`)
    t.not(atGoogle(served).length, 0)
  }
})

t.test('clients take turns by name, wherever they come from', async (t) => {
  const google = await startHeldGoogle(t)
  const served = await startServed(t, {
    proxy: { ...proxy, Concurrency: { MaxInFlight: 1 } },
    accounts,
    baseUrl: google.baseUrl,
  })
  const logins = { busy: { authorization: `Bearer ${token}` }, single: login }
  const order: string[] = []
  const send = (who: keyof typeof logins, localAddress: string) =>
    new Promise<void>((resolve) => {
      const target = `${served.url}studies?PatientID=${who}`
      httpRequest(target, { headers: logins[who], localAddress, agent: false }, (response) => {
        response.resume().once('end', resolve)
      }).end()
    })
  const waiting = () =>
    served.proxy.adminUrl && fetch(`${served.proxy.adminUrl}/api/status`).then((response) => response.json())
  const untilWaiting = (count: number) =>
    eventually(`${count} wait`, async () => {
      const { accounts } = (await waiting()) as { accounts: { limiters: Record<string, { queued: number }> }[] }
      return accounts[0]?.limiters['QIDO-RS']?.queued === count
    })
  const sent = [send('busy', '127.0.0.2')]
  await google.reached(1)
  // Four addresses, and still one client.
  for (const host of [3, 4, 5, 6]) sent.push(send('busy', `127.0.0.${host}`))
  await untilWaiting(4)
  sent.push(send('single', '127.0.0.2'))
  await untilWaiting(5)
  for (let done = 0; done < 6; done++) {
    await google.reached(1)
    order.push(/PatientID=(\w+)/.exec(google.open[0]?.request.url ?? '')?.[1] ?? '')
    google.respond()
  }
  await Promise.all(sent)
  t.same(order, ['busy', 'busy', 'single', 'busy', 'busy', 'busy'])
})
