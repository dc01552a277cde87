import { once } from 'node:events'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { Agent, request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { ConfigurationError } from '../../src/config/problem.ts'
import { demoStore } from '../../src/emulator/emulator.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { basic, digestOf, hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { demoAccount, type Served, type ServedOptions, startServed, stowOf } from '../helpers/served.ts'
import { startHeldGoogle } from './google.ts'

async function statusOf(url: string, init: RequestInit = {}): Promise<number> {
  const response = await fetch(url, init)
  await response.arrayBuffer()
  return response.status
}

type Status = { accounts: { name: string; requests: unknown; limiters: Record<string, { limit: number }> }[] }

async function apiStatus({ proxy }: Served): Promise<Status> {
  return (await fetch(`${proxy.adminUrl}/api/status`)).json() as Promise<Status>
}

const ofService: ServedOptions['accounts'] = ({ serviceAccountFile }) => ({
  second: { ...demoAccount, ServiceAccountFile: serviceAccountFile },
})
const ofUser: ServedOptions['accounts'] = ({ authorizedUserFile }) => ({
  second: { ...demoAccount, AuthorizedUserFile: authorizedUserFile },
})

t.test('accounts come and go, and those that stay keep token, slots and history', async (t) => {
  const served = await startServed(t)
  const { emulator, proxy, url } = served
  const second = new URL('/second/studies', url).href
  t.equal(await statusOf(`${url}studies`), 200)
  t.equal(emulator.tokenRequests['jwt-bearer'], 1)
  t.equal(await statusOf(second), 404)

  t.match(await served.reload({ accounts: ofUser }), { accounts: { added: ['second'], removed: [], changed: [] } })
  await eventually('the new one has its token before anybody asks', () => emulator.tokenRequests.refresh_token === 1)
  t.equal(await statusOf(second), 200)
  t.same([...proxy.accountUrls.keys()], ['google', 'second'])
  t.match(await apiStatus(served), {
    accounts: [
      { name: 'google', requests: { 'QIDO-RS': { succeeded: 1 } } },
      { name: 'second', requests: { 'QIDO-RS': { succeeded: 1 } } },
    ],
  })

  t.match(await served.reload({ accounts: ofService }), { accounts: { changed: ['second'] } })
  t.equal(await statusOf(second), 200, 'another credential')
  t.equal(emulator.tokenRequests['jwt-bearer'], 1, 'whose token is there already')

  t.match(await served.reload(), { accounts: { removed: ['second'] } })
  t.equal(await statusOf(second), 404)
  t.equal((await apiStatus(served)).accounts.length, 1)
  await served.reload({ accounts: ofUser })
  await eventually('a forgotten token is fetched again', () => emulator.tokenRequests.refresh_token === 2)
  t.equal(emulator.tokenRequests['jwt-bearer'], 1)
})

t.test('an account that is removed while a request is in flight lets it finish', async (t) => {
  const google = await startHeldGoogle(t)
  const { baseUrl } = google
  const served = await startServed(t, { baseUrl, accounts: ofUser })
  const second = new URL('/second/studies', served.url).href
  const search = fetch(second)
  const upload = fetch(second, stowOf([...syntheticStudy({ instances: 1 })]))
  await google.reached(2)
  // Other connections, too: those of the requests stay until they end.
  await served.reload({ baseUrl, proxy: { Timeouts: { Idle: 77 } } })
  t.equal(await statusOf(second), 404)
  google.respond()
  google.respond()
  t.same(
    (await Promise.all([search, upload])).map(({ status }) => status),
    [200, 200],
  )
  await t.resolves(Promise.all([search, upload].map(async (response) => (await response).text())))
})

t.test('what is configured of an account holds from the next request on', async (t) => {
  const served = await startServed(t)
  const { emulator, url } = served
  const inAccount = (more: object): ServedOptions => ({
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ...more },
    }),
  })
  await served.reload(inAccount({ Access: ['QIDO-RS'], QuotaProject: 'demo' }))
  t.equal(await statusOf(`${url}studies/1.2`, { method: 'DELETE' }), 403)
  t.equal(await statusOf(`${url}studies`), 200)
  t.equal(emulator.log.at(-1)?.headers['x-goog-user-project'], 'demo')

  emulator.addStore('projects/demo/locations/europe-west4/datasets/imaging/dicomStores/other')
  await served.reload(inAccount({ DicomStore: 'other' }))
  t.equal(await statusOf(`${url}studies`), 200)
  t.match(emulator.log.at(-1)?.target, /dicomStores\/other\//)
  await served.reload()
  t.equal(await statusOf(`${url}studies`), 200)
  t.match(emulator.log.at(-1)?.target, demoStore)
})

t.test('limits hold from the next request on, and whoever waits gets the room that is made', async (t) => {
  const google = await startHeldGoogle(t)
  const { baseUrl } = google
  const served = await startServed(t, { baseUrl, proxy: { Concurrency: { MaxInFlight: 1 } } })
  const statuses = [1, 2, 3].map(() => statusOf(`${served.url}studies`))
  await google.reached(1)
  await served.reload({ baseUrl, proxy: { Concurrency: { MaxInFlight: 3 } } })
  await google.reached(3)
  t.equal((await apiStatus(served)).accounts[0]?.limiters['QIDO-RS']?.limit, 3)
  for (let done = 0; done < 3; done++) google.respond()
  t.same(await Promise.all(statuses), [200, 200, 200])

  await served.reload({ baseUrl, proxy: { Timeouts: { SearchResponse: 1 } } })
  t.equal(await statusOf(`${served.url}studies`), 504)
})

t.test('a token that could not be had is asked for at once', async (t) => {
  const served = await startServed(t, { google: { TokenUrl: 'http://127.0.0.1:9/' } })
  t.equal(await statusOf(`${served.url}studies`), 503)
  await served.reload()
  t.equal(await statusOf(`${served.url}studies`), 200)
})

t.test('clients', async (t) => {
  const password = 'correct horse battery'
  const Clients = { radiology: { PasswordHash: hashOf(password), Accounts: { google: ['QIDO-RS'] } } }
  const Token = { viewer: { TokenDigest: digestOf('a-token-of-the-test'), Accounts: { google: ['QIDO-RS'] } } }
  const served = await startServed(t)
  const studies = `${served.url}studies`
  const viewer = { headers: { authorization: 'Bearer a-token-of-the-test' } }
  const radiology = { headers: basic('radiology', password) }
  t.equal(await statusOf(studies), 200, 'everybody')
  await served.reload({ proxy: { Clients } })
  t.equal(await statusOf(studies), 401)
  t.equal(await statusOf(studies, radiology), 200)
  t.equal(await statusOf(studies, viewer), 401)
  await served.reload({ proxy: { Clients: Token } })
  t.equal(await statusOf(studies, viewer), 200)
  t.equal(await statusOf(studies, radiology), 401, 'a client that logged in before, too')
  await served.reload({ proxy: { AllowedNetworks: ['127.0.0.2'], Clients: Token } })
  await t.rejects(fetch(studies, viewer), 'no connection')
  await served.reload()
  t.equal(await statusOf(studies), 200, 'everybody again')
})

t.test('a client that is no longer in AllowedNetworks loses its connection with the next request', async (t) => {
  const served = await startServed(t)
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(served.url).port) })
  const ask = () => socket.write('GET /google/studies HTTP/1.1\r\nHost: localhost\r\n\r\n')
  socket.on('error', () => {})
  ask()
  await once(socket, 'data')
  await served.reload({ proxy: { AllowedNetworks: ['127.0.0.2'] } })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  ask()
  await closed
  t.equal(served.emulator.log.filter(({ target }) => target.includes('/studies')).length, 1)
})

t.test('what would let everyone in is refused, and the rest, too', async (t) => {
  const Clients = { viewer: { TokenDigest: digestOf('a-token-of-the-test'), Accounts: { google: ['QIDO-RS'] } } }
  const served = await startServed(t, { proxy: { Listen: '0.0.0.0:0', Clients } })
  const studies = `http://127.0.0.1:${new URL(served.proxy.url).port}/google/studies`
  t.equal(await statusOf(studies), 401)
  // By itself it could be used: but the address that is open is the old one.
  await t.rejects(served.reload({ proxy: { Listen: '127.0.0.1:0' }, accounts: ofUser }), ConfigurationError)
  t.equal(await statusOf(studies), 401)
  t.same([...served.proxy.accountUrls.keys()], ['google'])
})

t.test('what only a restart puts in force is named', async (t) => {
  const served = await startServed(t)
  const { needsRestart } = await served.reload({
    proxy: { Listen: '127.0.0.1:1', AdminListen: null, Limits: { HeaderBytes: 20_000 } },
  })
  t.same(needsRestart, ['DicomWebProxy.Listen', 'DicomWebProxy.AdminListen', 'DicomWebProxy.Limits.HeaderBytes'])
  t.equal(await statusOf(`${served.url}studies`), 200)
  t.equal((await apiStatus(served)).accounts.length, 1)
  t.same((await served.reload()).needsRestart, [], 'back again')
})

t.test('another certificate, for connections to come', async (t) => {
  const folder = t.testdir()
  const identity = async (name: string) => {
    const { authority, cert, key } = makeCertificate()
    await writeFile(join(folder, `${name}.pem`), cert)
    await writeFile(join(folder, `${name}.key`), key)
    return { authority, proxy: { Tls: { Certificate: join(folder, `${name}.pem`), Key: join(folder, `${name}.key`) } } }
  }
  const [first, second] = [await identity('first'), await identity('second')]
  const served = await startServed(t, first)
  const agent = new Agent({ keepAlive: true, ca: first.authority })
  t.teardown(() => agent.destroy())
  const search = async (options: object) => {
    const [response] = await once(httpsRequest(`${served.url}studies`, options).end(), 'response')
    await once(response.resume(), 'end')
    return response.statusCode
  }
  t.equal(await search({ agent }), 200)
  await served.reload(second)
  t.equal(await search({ agent }), 200, 'an open connection stays')
  t.equal(await search({ agent: false, ca: second.authority }), 200)
  await t.rejects(search({ agent: false, ca: first.authority }), { code: /CERT|SIGNATURE|UNABLE/ })
})

t.test('an audit trail begins, moves and ends', async (t) => {
  const folder = t.testdir()
  const served = await startServed(t)
  const trail = async (File: string) => {
    return (await readFile(File, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).audit as string)
  }
  const [first, second] = [`${folder}/first.jsonl`, `${folder}/second.jsonl`]
  await served.reload({ proxy: { Audit: { File: first } } })
  await statusOf(`${served.url}studies`)
  await served.reload({ proxy: { Audit: { File: first }, DeletionWait: 1 } })
  await statusOf(`${served.url}studies`)
  await served.reload({ proxy: { Audit: { File: second } } })
  await statusOf(`${served.url}studies`)
  await eventually('the first is closed', async () => (await trail(first)).at(-1) === 'stop')
  t.equal((await trail(first)).length, 4, 'start, two requests, stop')
  t.equal((await trail(second)).length, 2)
  await t.rejects(served.reload({ proxy: { Audit: { File: `${folder}/none/third.jsonl` } } }), /Audit.File/)
  await statusOf(`${served.url}studies`)
  t.equal((await trail(second)).length, 3, 'the old one goes on')
  await served.reload()
  await eventually('it is closed', async () => (await trail(second)).at(-1) === 'stop')
})

t.test('a rotated key file is picked up by itself', async (t) => {
  const { emulator, credentials, url } = await startServed(t)
  t.equal(await statusOf(`${url}studies`), 200)
  const key = await emulator.addServiceAccount('rotated@demo.iam.gserviceaccount.com')
  const next = `${credentials.serviceAccountFile}.next`
  await writeFile(next, JSON.stringify(key))
  await rename(next, credentials.serviceAccountFile)
  emulator.revokeTokens()
  t.equal(await statusOf(`${url}studies`), 200, 'the one that met a 401')
  emulator.grant('rotated@demo.iam.gserviceaccount.com', demoStore, 'none')
  t.equal(await statusOf(`${url}studies`), 403, 'as the new identity')
})
