import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { version } from '../../src/version.ts'
import { digestOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { type Family, parsePrometheusText, sumOf } from '../helpers/prometheus-text.ts'
import { demoAccount, type Served, startServed, stowOf } from '../helpers/served.ts'
import { startHeldGoogle } from '../server/google.ts'

const study = [...syntheticStudy({ instances: 2, seed: 1 })]
const other = [...syntheticStudy({ instances: 1, seed: 2 })]
const prefix = 'gcp_dicomweb_proxy_'

type Metrics = ReadonlyMap<string, Family>

async function metricsOf(t: Test, { proxy }: Pick<Served, 'proxy'>): Promise<Metrics> {
  const response = await fetch(`${proxy.adminUrl}/metrics`)
  t.equal(response.status, 200)
  t.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  t.equal(response.headers.get('cache-control'), 'no-store')
  return parsePrometheusText(await response.text())
}

/** After this number of requests has ended, which is just after the client has its response. */
async function metricsAfter(t: Test, served: Served, requests: number): Promise<Metrics> {
  await eventually('all are in the log', () => served.log().filter(({ msg }) => msg === 'request').length === requests)
  return metricsOf(t, served)
}

t.test('requests by account, service, route, status and layer', async (t) => {
  const served = await startServed(t)
  const { url, proxy, emulator } = served
  const ask = async (address: string, init = {}) => (await fetch(address, init)).text()
  await ask(`${url}studies`, stowOf(study))
  await ask(`${url}studies/${study[0]?.studyInstanceUid}`, stowOf([...study, ...other]))
  await ask(`${url}studies?limit=1`)
  await ask(`${url}studies?doe=1`)
  emulator.faults.add({ target: 'WADO-RS', status: 403, times: 1 })
  await ask(`${url}studies/1.2.3`)
  await ask(`${proxy.url}/somebody/studies`)
  await ask(`${url}nothing`)
  const metrics = await metricsAfter(t, served, 7)
  const requests = (labels: Record<string, string>) => sumOf(metrics, `${prefix}requests_total`, labels)
  const account = 'google'
  for (const labels of [
    { account, service: 'STOW-RS', route: '/studies', status: '200', layer: '' },
    { account, service: 'STOW-RS', route: '/studies/{study}', status: '409', layer: 'upstream' },
    { account, service: 'QIDO-RS', route: '/studies', status: '200', layer: '' },
    { account, service: 'QIDO-RS', route: '/studies', status: '400', layer: 'client' },
    { account, service: 'WADO-RS', route: '/studies/{study}', status: '403', layer: 'upstream' },
    { account, service: '', route: '', status: '404', layer: 'client' },
    { account: '', service: '', route: '', status: '404', layer: 'client' },
  ]) {
    t.equal(requests(labels), 1, JSON.stringify(labels))
  }
  t.equal(requests({}), 7)

  t.equal(sumOf(metrics, `${prefix}instances_stored_total`, { account }), 4)
  t.equal(sumOf(metrics, `${prefix}instances_failed_total`, { account }), 1)
  t.equal(sumOf(metrics, `${prefix}upstream_attempts_total`, { account }), 4)
  for (const histogram of ['request_duration_seconds', 'request_first_byte_seconds']) {
    t.equal(sumOf(metrics, `${prefix}${histogram}_count`, { account, service: 'STOW-RS' }), 2)
    const sum = sumOf(metrics, `${prefix}${histogram}_sum`, { account, service: 'STOW-RS' })
    t.ok(sum > 0.001 && sum < 10, `${sum} seconds`)
  }
  const bodies = [stowOf(study), stowOf([...study, ...other])].map(({ body }) => body.length)
  t.equal(
    sumOf(metrics, `${prefix}received_bytes_total`, { account, service: 'STOW-RS' }),
    bodies.reduce((sum, bytes) => sum + bytes, 0),
  )
  t.ok(sumOf(metrics, `${prefix}sent_bytes_total`, { account, service: 'STOW-RS' }) > 100)
  t.equal(sumOf(metrics, `${prefix}upstream_connections`, { transport: 'bodyless', state: 'busy' }), 0)
  t.ok(sumOf(metrics, `${prefix}upstream_connections`, { transport: 'bodyless', state: 'idle' }) >= 1)
})

t.test('requests in flight, and requests in the queue', async (t) => {
  const google = await startHeldGoogle(t)
  const served = await startServed(t, {
    baseUrl: google.baseUrl,
    proxy: { Concurrency: { MaxInFlight: 2, MaxPending: 8 } },
  })
  const upload = request(`${served.url}studies`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/related; type="application/dicom"; boundary=b' },
  })
  const uploaded = once(upload, 'response')
  upload.write(Buffer.alloc(300_000))
  const searches = [1, 2, 3].map((number) => fetch(`${served.url}studies?limit=${number}`))
  await google.reached(3)
  const account = 'google'
  const value = async (name: string, labels: Record<string, string>) =>
    sumOf(await metricsOf(t, served), prefix + name, labels)
  await eventually(
    'the bytes of an upload show before its end',
    async () => (await value('received_bytes_total', { account, service: 'STOW-RS' })) === 300_000,
  )
  const metrics = await metricsOf(t, served)
  for (const [name, service, expected] of [
    ['requests_in_flight', 'QIDO-RS', 3],
    ['upstream_requests_in_flight', 'QIDO-RS', 2],
    ['upstream_requests_queued', 'QIDO-RS', 1],
    ['upstream_requests_limit', 'QIDO-RS', 2],
    ['requests_in_flight', 'STOW-RS', 1],
    ['upstream_requests_in_flight', 'STOW-RS', 1],
    ['upstream_requests_queued', 'STOW-RS', 0],
  ] as const) {
    t.equal(sumOf(metrics, prefix + name, { account, service }), expected, `${name} ${service}`)
  }
  t.equal(sumOf(metrics, `${prefix}upstream_connections`, { transport: 'bodyless', state: 'busy' }), 2)
  t.equal(sumOf(metrics, `${prefix}upstream_connections`, { transport: 'upload', state: 'busy' }), 1)
  upload.end()
  for (let number = 0; number < 4; number++) {
    await eventually('something is at Google', () => google.open.length > 0)
    google.respond()
  }
  await Promise.all([uploaded, ...searches.map(async (search) => (await search).text())])
  const after = await metricsAfter(t, served, 4)
  t.equal(sumOf(after, `${prefix}requests_in_flight`), 0)
  t.equal(sumOf(after, `${prefix}upstream_requests_in_flight`), 0)
  t.equal(sumOf(after, `${prefix}received_bytes_total`, { account, service: 'STOW-RS' }), 300_000)
})

t.test('Orthanc’s uploads that failed in an outage', async (t) => {
  const counts = { waiting: 3, started: 4, givenUp: 1 }
  const served = await startServed(t, { uploads: { of: () => [], countsOf: () => counts, record() {} } })
  const value = async (name: string) =>
    sumOf(await metricsOf(t, served), `${prefix}failed_jobs_${name}`, { account: 'google' })
  t.equal(await value('waiting'), 3)
  t.equal(await value('started_again_total'), 4)
  t.equal(await value('given_up_total'), 1)
})

t.test('connections of a request that a reload has overtaken are counted, too', async (t) => {
  const served = await startServed(t)
  served.emulator.faults.add({ target: 'QIDO-RS', delay: 1_000, times: 1 })
  const search = fetch(`${served.url}studies`)
  await eventually('it is at Google', () => served.emulator.log.some(({ target }) => target.includes('/studies')))
  await served.reload({ proxy: { Timeouts: { Connect: 7 } } })
  const busy = async () =>
    sumOf(await metricsOf(t, served), `${prefix}upstream_connections`, { transport: 'bodyless', state: 'busy' })
  t.equal(await busy(), 1)
  t.equal((await search).status, 200)
  await eventually('it is over', async () => (await busy()) === 0)
})

t.test('the series of an account end with it, also where a request of it ends later', async (t) => {
  const accounts = ({ serviceAccountFile }: { serviceAccountFile: string }) => ({
    second: { ...demoAccount, ServiceAccountFile: serviceAccountFile },
  })
  const served = await startServed(t, { accounts })
  const second = served.url.replace('/google/', '/second/')
  await (await fetch(`${second}studies`, stowOf(study))).text()
  await (await fetch(`${second}studies`)).text()
  served.emulator.faults.add({ target: 'QIDO-RS', delay: 700, times: 1 })
  const search = fetch(`${second}studies`)
  await eventually('it is at Google', () => served.emulator.log.filter(({ method }) => method === 'GET').length === 2)
  const series = (metrics: Metrics) =>
    [...metrics.values()].flatMap(({ samples }) => samples.filter(({ labels }) => labels.account === 'second'))
  t.ok(series(await metricsAfter(t, served, 2)).length > 40)
  await served.reload()
  t.same(
    new Set(series(await metricsOf(t, served)).map(({ name }) => name)),
    new Set([`${prefix}requests_in_flight`]),
    'but counts what is in flight',
  )
  t.equal((await search).status, 200)
  t.same(series(await metricsAfter(t, served, 3)), [])
  await served.reload({ accounts })
  await (await fetch(`${second}studies`)).text()
  t.equal(sumOf(await metricsAfter(t, served, 4), `${prefix}requests_total`, { account: 'second' }), 1)
})

t.test('tokens: usable or not, age, life left, refreshes and failures', async (t) => {
  const accounts = (files: { serviceAccountFile: string }) => ({
    broken: { ...demoAccount, ServiceAccountFile: `${files.serviceAccountFile}.missing` },
  })
  const served = await startServed(t, { accounts })
  await eventually('the tokens were tried', () => served.log().some(({ msg }) => msg === 'no access token'))
  await (await fetch(`${served.url}studies`)).text()
  const metrics = await metricsAfter(t, served, 1)
  const of = (account: string) => (name: string) => sumOf(metrics, `${prefix}token_${name}`, { account })
  const [good, bad] = [of('google'), of('broken')]
  t.same([good('usable'), good('refreshes_total'), good('refresh_failures_total')], [1, 1, 0])
  t.ok(good('age_seconds') > 0 && good('age_seconds') < 60)
  t.ok(good('remaining_seconds') > 3500 && good('remaining_seconds') <= 3600)
  t.equal(bad('usable'), 0)
  t.ok(bad('refreshes_total') >= 1)
  t.equal(bad('refresh_failures_total'), bad('refreshes_total'))
  const accountsWith = (name: string) =>
    metrics.get(`${prefix}token_${name}`)?.samples.map(({ labels }) => labels.account)
  t.equal(
    metrics.get(`${prefix}instances_failed_total`)?.samples.length,
    2,
    'from the start, or a first loss would be no increase',
  )
  t.same(accountsWith('remaining_seconds'), ['google'], 'no value of a token that there never was')
})

t.test('nothing that clients or Google send makes new series', async (t) => {
  let count = 0
  const google = createServer((_request, response) => {
    count += 1
    response.writeHead(200 + (count % 400), { 'content-length': '0' }).end()
  })
  const served = await startServed(t, { baseUrl: await listenOn(t, google) })
  // Not by fetch, which makes errors of some statuses.
  const ask = async (path: string) => text((await once(request(served.proxy.url + path).end(), 'response'))[0])
  for (let number = 1; number <= 400; number++) {
    await ask(`/google/studies/1.2.${number}`)
    await ask(`/account-${number}/studies`)
    await ask(`/google/path-${number}`)
    await ask(`/google/studies?PatientName=Doe${number}`)
  }
  const metrics = await metricsAfter(t, served, 1600)
  const series = metrics.get(`${prefix}requests_total`)?.samples ?? []
  t.equal(sumOf(metrics, `${prefix}requests_total`), 1600)
  t.ok(series.length < 100, `${series.length} series`)
  const values = (name: string) => [...new Set(series.map(({ labels }) => labels[name]))]
  t.same(values('account').sort(), ['', 'google'])
  t.same(values('route').sort(), ['', '/studies', '/studies/{study}'])
  t.ok(values('status').includes('4xx') && !values('status').includes('477'), 'unknown statuses are put together')
})

t.test('the process: event loop, memory, version', async (t) => {
  const metrics = await metricsOf(t, await startServed(t))
  t.ok(sumOf(metrics, 'nodejs_eventloop_lag_p99_seconds') >= 0)
  t.ok(sumOf(metrics, 'process_resident_memory_bytes') > 10_000_000)
  t.equal(sumOf(metrics, `${prefix}build_info`, { version }), 1)
})

t.test('audit records that are lost; no such metric without an audit trail', async (t) => {
  t.notOk((await metricsOf(t, await startServed(t))).has(`${prefix}audit_records_lost_total`))
  const folder = t.testdir()
  const kept = await startServed(t, { proxy: { Audit: { File: join(folder, 'audit.log') } } })
  const metrics = await metricsOf(t, kept)
  t.equal(sumOf(metrics, `${prefix}audit_available`), 1)
  t.ok(metrics.has(`${prefix}audit_records_lost_total`))
})

t.test('from other machines: for administrators, by bearer token as Prometheus sends it', async (t) => {
  const Clients = {
    prometheus: { TokenDigest: digestOf('scrape-token'), Admin: true },
    viewer: { TokenDigest: digestOf('viewer-token'), Accounts: { google: ['QIDO-RS'] } },
  }
  // Loopback, though nobody could tell by the name: so it counts as an address that other machines
  // reach.
  const { proxy } = await startServed(t, { proxy: { Clients, AdminListen: '127.1:0' } })
  const url = `http://127.0.0.1:${new URL(proxy.adminUrl ?? '').port}/metrics`
  const ask = (authorization?: string) => fetch(url, { headers: authorization ? { authorization } : {} })
  t.equal((await ask()).status, 401)
  t.equal((await ask('Bearer viewer-token')).status, 403)
  const response = await ask('Bearer scrape-token')
  t.equal(response.status, 200)
  const metrics = parsePrometheusText(await response.text())
  t.ok(sumOf(metrics, `${prefix}rejected_total`, { reason: 'client-unauthenticated' }) >= 1)
})
