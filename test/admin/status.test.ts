import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, type Served, startServed, stowOf } from '../helpers/served.ts'

const study = [...syntheticStudy({ instances: 1, seed: 1 })]
const other = [...syntheticStudy({ instances: 1, seed: 2 })]
const store = 'projects/demo/locations/europe-west4/datasets/imaging/dicomStores/demo'

interface Status {
  accounts: { name: string; requests: Record<string, object>; failures: Record<string, unknown>[] }[]
}

/** After this number of requests was recorded, which is just after the client has its response. */
async function statusAfter({ proxy, log }: Served, requests: number): Promise<Status> {
  await eventually('all are in the log', () => log().filter(({ msg }) => msg === 'request').length === requests)
  const response = await fetch(`${proxy.adminUrl}/api/status`)
  t.equal(response.status, 200)
  t.match(response.headers.get('content-type'), /^application\/json/)
  t.equal(response.headers.get('cache-control'), 'no-store')
  return (await response.json()) as Status
}

t.test('each account: its store, its token, nothing asked yet', async (t) => {
  const accounts = (files: { serviceAccountFile: string }) => ({
    broken: { ...demoAccount, DicomStore: 'other', ServiceAccountFile: `${files.serviceAccountFile}.missing` },
  })
  const served = await startServed(t, { accounts })
  await eventually('the tokens were tried', () => served.log().some(({ msg }) => msg === 'no access token'))
  await (await fetch(`${served.url}studies`)).text()
  const status = await statusAfter(served, 1)
  t.match(status, {
    accounts: [
      {
        name: 'google',
        store,
        token: { ready: true, tokenExpiresAt: /^\d{4}-.*Z$/, failure: null, nextAttemptAt: null },
        limiters: { 'STOW-RS': { inFlight: 0, queued: 0, limit: 64 }, DELETE: { inFlight: 0, queued: 0, limit: 64 } },
        requests: { 'QIDO-RS': { succeeded: 1, incomplete: 0, rejected: 0, failed: 0, aborted: 0 } },
        failures: [],
      },
      {
        name: 'broken',
        store: store.replace(/demo$/, 'other'),
        token: { ready: false, tokenExpiresAt: null, failure: /does not exist/, nextAttemptAt: /^\d{4}-.*Z$/ },
        requests: {},
        failures: [],
      },
    ],
  })
})

t.test('failures of every layer, the latest first, with what to do', async (t) => {
  const served = await startServed(t)
  const { url, emulator } = served
  const ask = async (path: string, init = {}) => (await fetch(url + path, init)).text()
  await ask('studies', stowOf(study))
  await ask(`studies/${study[0]?.studyInstanceUid}`, stowOf([...study, ...other]))
  await ask('studies?doe=1')
  emulator.faults.add({ target: 'WADO-RS', status: 403, times: 1 })
  await ask('studies/1.2.3')
  emulator.faults.add({ target: 'DELETE', resetBefore: true, times: 1 })
  await ask('studies/1.2.3', { method: 'DELETE' })
  emulator.faults.add({ target: 'token', status: 500 })
  emulator.revokeTokens()
  await ask('studies')
  await ask('nothing')
  const status = await statusAfter(served, 7)
  const [account] = status.accounts
  t.match(account?.requests, {
    'STOW-RS': { succeeded: 1, incomplete: 1, rejected: 0, failed: 0, aborted: 0 },
    'QIDO-RS': { succeeded: 0, incomplete: 0, rejected: 1, failed: 1, aborted: 0 },
    'WADO-RS': { rejected: 1 },
    DELETE: { failed: 1 },
    other: { rejected: 1 },
  })
  t.match(account?.failures, [
    { status: 404, code: 'not-dicomweb', layer: 'client', attempts: 0 },
    { service: 'QIDO-RS', status: 503, code: 'token-unavailable', layer: 'token', attempts: 1 },
    {
      service: 'DELETE',
      route: '/studies/{study}',
      status: 502,
      code: 'upstream-reset',
      layer: 'upstream',
      attempts: 1,
    },
    {
      service: 'WADO-RS',
      status: 403,
      layer: 'upstream',
      googleMessage: 'The emulator was asked to respond with 403.',
    },
    { status: 400, code: 'query-not-allowed', detail: 'The query parameter is not one of QIDO-RS. Remove it.' },
    { service: 'STOW-RS', status: 409, layer: 'upstream', instancesStored: 1, instancesFailed: 1 },
  ])
  t.equal(account?.failures.length, 6)
  for (const failure of account?.failures ?? []) {
    t.match(failure, { time: /^\d{4}-.*Z$/, requestId: /^[0-9a-f-]{36}$/, detail: /\w/ })
  }
  t.notMatch(JSON.stringify(status), /\bdoe\b|1\.2\.3|ya29|127\.0\.0\.1/)
  t.notMatch(JSON.stringify(status), new RegExp(study[0]?.studyInstanceUid ?? ''))
})

t.test('the last 20 different failures of each account; what names none is not kept', async (t) => {
  const served = await startServed(t)
  for (const status of [400, 404, 406, 409, 412]) {
    served.emulator.faults.add({ target: 'WADO-RS', status, times: 5 })
    for (const path of ['', '/metadata', '/series/1.4.5', '/series/1.4.5/metadata', '/rendered'])
      await (await fetch(`${served.url}studies/1.2.3${path}`)).text()
  }
  await (await fetch(`${served.proxy.url}/nobody/studies`)).text()
  const { accounts } = await statusAfter(served, 26)
  t.equal(accounts.length, 1)
  t.equal(accounts[0]?.failures.length, 20)
  t.match(accounts[0]?.requests, { 'WADO-RS': { rejected: 25 } })
  const ids = served
    .log()
    .filter(({ msg }) => msg === 'request')
    .map(({ requestId }) => requestId)
  t.same(
    accounts[0]?.failures.map(({ requestId }) => requestId),
    ids.slice(5, 25).reverse(),
  )
})

t.test('a client that disconnects, and a response that breaks off', async (t) => {
  const google = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('part', () => response.destroy())
  })
  const served = await startServed(t, { baseUrl: await listenOn(t, google) })
  await t.rejects((await fetch(`${served.url}studies/1.2.3`)).text())
  const { accounts } = await statusAfter(served, 1)
  t.match(accounts, [
    {
      requests: { 'WADO-RS': { aborted: 1 } },
      failures: [{ abortedBy: 'upstream', layer: 'upstream', detail: /cut short.*\. Send the request again/ }],
    },
  ])
})

t.test('the example in the documentation has all that is there', async (t) => {
  const text = readFileSync('docs/operations.md', 'utf8')
  const example = JSON.parse(/^\{"version":.*\}$/m.exec(text)?.[0] ?? '')
  const served = await startServed(t)
  await (await fetch(`${served.url}studies?bogus=1`)).text()
  const status = await statusAfter(served, 1)
  const keys = (value: object | undefined) => Object.keys(value ?? {})
  t.same(keys(example), keys(status))
  const [one, other] = [example.accounts[0], status.accounts[0]]
  t.same(keys(one), keys(other))
  t.ok(keys(other?.failures[0]).every((key) => key === 'code' || key in one.failures[0]))
})
