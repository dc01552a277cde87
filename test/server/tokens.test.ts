import { createServer } from 'node:http'
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, type Served, startServed, stowOf } from '../helpers/served.ts'

const [instance] = syntheticStudy({ instances: 1 })
const stow = stowOf(instance ? [instance] : [])

/** The status of each request that reached the DICOM store. */
function statuses({ emulator }: Served) {
  return emulator.log.filter(({ target }) => target.includes('/dicomWeb/')).map(({ status }) => status)
}

async function ready({ proxy }: Served): Promise<void> {
  await eventually('the proxy is ready', async () => (await fetch(`${proxy.adminUrl}/readyz`)).ok)
}

t.test('fifty requests that meet an expired token make one refresh', async (t) => {
  const served = await startServed(t, { emulator: { tokenLifetime: 1 } })
  await ready(served)
  served.emulator.setTokenLifetime(3600)
  // The proxy's own refreshing must not come first.
  served.emulator.faults.add({ target: 'token', delay: 1500 })
  await eventually('the token has expired', async () => !(await fetch(`${served.proxy.adminUrl}/readyz`)).ok)
  const responses = await Promise.all(Array.from({ length: 50 }, () => fetch(`${served.url}studies`)))
  t.ok(responses.every(({ status }) => status === 200))
  t.same(statuses(served), Array(50).fill(204), 'none went with the expired token')
  t.equal(served.emulator.tokenRequests.total, 2)
})

t.test('fifty requests that meet a revoked token make one refresh, too', async (t) => {
  const served = await startServed(t)
  await ready(served)
  served.emulator.revokeTokens()
  const responses = await Promise.all(Array.from({ length: 50 }, () => fetch(`${served.url}studies`)))
  t.ok(responses.every(({ status }) => status === 200))
  t.equal(served.emulator.tokenRequests.total, 2)
})

t.test('a revoked token: each service is sent once more', async (t) => {
  const served = await startServed(t)
  await ready(served)
  const study = `${served.url}studies/${instance?.studyInstanceUid}`
  const requests: [string, RequestInit][] = [
    [`${served.url}studies`, stow],
    [`${served.url}studies`, {}],
    [study, { headers: { accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' } }],
    [study, { method: 'DELETE' }],
  ]
  for (const [url, init] of requests) {
    served.emulator.clearLog()
    served.emulator.revokeTokens()
    const response = await fetch(url, init)
    t.equal(response.status, 200, init.method ?? 'GET')
    await response.arrayBuffer()
    t.same(statuses(served), [401, 200])
  }
  t.equal(served.emulator.tokenRequests.total, 5)
})

t.test('a revoked token and more than can be buffered: the client gets token-renewed', async (t) => {
  const served = await startServed(t)
  await ready(served)
  served.emulator.revokeTokens()
  // The refusal comes only when the body is through.
  served.emulator.faults.add({ target: 'STOW-RS', status: 401, times: 1 })
  const response = await fetch(`${served.url}studies`, { ...stow, body: Buffer.alloc(2 * 1024 * 1024) })
  t.equal(response.status, 503)
  t.equal(response.headers.get('retry-after'), '1')
  t.match(await response.json(), { code: 'token-renewed', layer: 'token', attempts: 1 })
  t.equal((await fetch(`${served.url}studies`, stow)).status, 200, 'the next one is stored')
})

t.test('Google rejects even a fresh token: 502, never 401', async (t) => {
  const served = await startServed(t)
  served.emulator.faults.add({ target: 'QIDO-RS', status: 401 })
  served.emulator.faults.add({ target: 'STOW-RS', status: 401 })
  for (const init of [{}, stow]) {
    const response = await fetch(`${served.url}studies`, init)
    t.equal(response.status, 502)
    t.equal(response.headers.get('www-authenticate'), null)
    t.match(await response.json(), {
      code: 'token-rejected',
      layer: 'upstream',
      attempts: 2,
      detail: /Check the credential/,
    })
  }
})

t.test('a token server that fails at the start: logged, retried, recovered; others are served', async (t) => {
  const broken = await listenOn(
    t,
    createServer((_request, response) => {
      response.writeHead(broken503 ? 503 : 200, { 'content-type': 'application/json' })
      response.end(broken503 ? '{}' : JSON.stringify({ access_token: 'fresh', expires_in: 3600 }))
    }),
  )
  let broken503 = true
  const served = await startServed(t, {
    google: { TokenUrl: `${broken}/token`, AllowedCredentialHosts: [] },
    accounts: () => ({ missing: { ...demoAccount, ServiceAccountFile: 'missing.json' } }),
  })
  const refused = await fetch(`${served.url}studies`)
  t.equal(refused.status, 503)
  t.match(Number(refused.headers.get('retry-after')), 1)
  t.match(await refused.json(), {
    code: 'token-unavailable',
    account: 'google',
    layer: 'token',
    detail: /returned 503/,
  })
  const other = await fetch(`${served.proxy.url}/missing/studies`)
  t.equal(other.status, 503)
  t.match(await other.json(), { detail: /missing\.json does not exist/ })

  const readiness = await fetch(`${served.proxy.adminUrl}/readyz`)
  t.equal(readiness.status, 503)
  t.match(await readiness.json(), {
    ready: false,
    accounts: [
      { name: 'google', ready: false, failure: /returned 503/ },
      { name: 'missing', ready: false, failure: /does not exist/ },
    ],
  })
  t.equal((await fetch(`${served.proxy.adminUrl}/healthz`)).status, 200)
  t.match(
    served.log().filter(({ level }) => level === 'error'),
    [{ msg: 'no access token' }, { msg: 'no access token' }],
  )

  broken503 = false
  await eventually(
    'the proxy heals by itself',
    async () => {
      const { accounts } = (await (await fetch(`${served.proxy.adminUrl}/readyz`)).json()) as {
        accounts: { ready: boolean }[]
      }
      return accounts[0]?.ready === true
    },
    60_000,
  )
})

t.test('accounts with the same credential share a token; others have their own', async (t) => {
  const served = await startServed(t, {
    accounts: ({ serviceAccountFile, authorizedUserFile }) => ({
      same: { ...demoAccount, ServiceAccountFile: serviceAccountFile },
      other: { ...demoAccount, AuthorizedUserFile: authorizedUserFile },
    }),
  })
  for (const name of ['google', 'same', 'other']) await (await fetch(`${served.proxy.url}/${name}/studies`)).text()
  const [google, same, other] = served.emulator.log
    .filter(({ target }) => target.includes('/dicomWeb/'))
    .map(({ headers }) => headers.authorization)
  t.equal(google, same)
  t.not(google, other)
  t.equal(served.emulator.tokenRequests.total, 2)
})
