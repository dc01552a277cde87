import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { type Test, test } from 'tap'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { ended, startProgram } from '../helpers/program.ts'
import { demoAccount, stowOf } from '../helpers/served.ts'

type Value = { stringValue?: string; intValue?: number | string }
interface Span {
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly traceState?: string
  readonly attributes: { key: string; value: Value }[]
  readonly status: { code?: number }
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
}
type Export = {
  resourceSpans: { resource: { attributes: Span['attributes'] }; scopeSpans: { spans: Span[] }[] }[]
}

const server = 2
const client = 3

/** A collector of OTLP over HTTP, as JSON. */
async function startCollector(t: Test) {
  const exports: Export[] = []
  const headers: Record<string, unknown>[] = []
  const reply = { status: 200 }
  const collector = createServer(async (request, response) => {
    const body = (await json(request)) as Export
    if (reply.status === 200) exports.push(body)
    headers.push({ path: request.url, ...request.headers })
    response.writeHead(reply.status, { 'content-type': 'application/json' }).end('{}')
  })
  const url = await listenOn(t, collector)
  const spans = () =>
    exports.flatMap(({ resourceSpans }) => resourceSpans.flatMap((one) => one.scopeSpans.flatMap((each) => each.spans)))
  return { url, exports, headers, reply, spans }
}

function attributes({ attributes }: { attributes: Span['attributes'] }): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]))
}

async function startTraced(t: Test, env: Record<string, string>) {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const folder = t.testdir()
  const { serviceAccountFile } = await emulator.writeCredentials(folder)
  const path = join(folder, 'orthanc.json')
  await writeFile(
    path,
    JSON.stringify({
      GoogleCloudPlatform: {
        BaseUrl: emulator.baseUrl,
        TokenUrl: emulator.tokenUrl,
        Accounts: { google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: {} } },
      },
      DicomWebProxy: { Listen: '127.0.0.1:0', AdminListen: null },
    }),
  )
  const { child, output } = startProgram(t, ['--config', path], env)
  await eventually('it has its token', () => output().includes('access token fetched'))
  const url = /"url":"([^"]+\/google\/)"/.exec(output())?.[1] ?? ''
  return { emulator, child, output, url }
}

test('spans by OTLP, with a try below each request, and nothing of a patient', async (t) => {
  const collector = await startCollector(t)
  const { emulator, child, output, url } = await startTraced(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-key=abc',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    OTEL_BSP_SCHEDULE_DELAY: '50',
  })
  const study = [...syntheticStudy({ instances: 2 })]
  await (await fetch(`${url}studies`, stowOf(study))).text()
  emulator.faults.add({ target: 'QIDO-RS', status: 503, times: 1 })
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const headers = { traceparent, tracestate: 'vendor=value' }
  await (await fetch(`${url}studies?PatientName=Geheim`, { headers })).text()
  await (await fetch(`${url}studies/${study[0]?.studyInstanceUid}/metadata`)).text()
  await (await fetch(`${url}Geheim/Geheim`)).text()
  await eventually('all have arrived', () => collector.spans().length === 8)
  const spans = collector.spans()
  const named = (name: string) => spans.filter((span) => span.name === name)

  const [upload] = named('POST /studies')
  t.match(attributes(upload ?? { attributes: [] }), {
    'http.request.method': 'POST',
    'http.route': '/studies',
    'http.response.status_code': 200,
    'dicomweb.account': 'google',
    'dicomweb.service': 'STOW-RS',
    'dicomweb.attempts': 1,
    'dicomweb.request_id': /^[0-9a-f-]{36}$/,
    'dicomweb.instances_stored': 2,
    'dicomweb.batches': 1,
    'dicomweb.batches_repeated': 0,
    'dicomweb.batches_failed': 0,
  })
  const batches = named('attempt').filter(({ parentSpanId }) => parentSpanId === upload?.spanId)
  t.same(
    batches.map((batch) => attributes(batch)['dicomweb.instances']),
    [2],
  )
  t.equal(upload?.kind, server)
  t.notOk(upload?.parentSpanId)
  t.ok(BigInt(upload?.endTimeUnixNano ?? 0) > BigInt(upload?.startTimeUnixNano ?? 0))

  const [search] = named('GET /studies')
  t.match(search, {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    parentSpanId: 'b7ad6b7169203331',
    traceState: 'vendor=value',
  })
  const attempts = named('attempt').filter(({ parentSpanId }) => parentSpanId === search?.spanId)
  t.same(
    attempts.map((one) => [
      one.kind,
      attributes(one)['http.request.resend_count'],
      attributes(one)['http.response.status_code'],
      one.status.code ?? 0,
    ]),
    [
      [client, undefined, 503, 2],
      [client, 1, 204, 0],
    ],
  )
  const sent = emulator.log.filter(({ target }) => target.includes('Geheim')).map(({ headers }) => headers.traceparent)
  t.same(
    sent,
    attempts.map(({ traceId, spanId }) => `00-${traceId}-${spanId}-01`),
    'Google sees the span of each try',
  )

  t.equal(named('GET /studies/{study}/metadata').length, 1)
  t.match(attributes(named('GET')[0] ?? { attributes: [] }), { 'http.response.status_code': 404, 'error.type': String })
  t.match(attributes(collector.exports[0]?.resourceSpans[0]?.resource ?? { attributes: [] }), {
    'service.name': 'gcp-dicomweb-proxy',
    'service.version': String,
    'deployment.environment.name': 'test',
  })
  t.match(collector.headers[0], { path: '/v1/traces', 'x-key': 'abc' })
  const all = JSON.stringify(collector.exports)
  for (const secret of [
    'Geheim',
    'ya29',
    'Synthetic',
    ...study.flatMap((one) => [one.studyInstanceUid, one.sopInstanceUid]),
  ]) {
    t.notOk(all.includes(secret), `no ${secret.slice(0, 9)}`)
  }
  t.match(output(), `"traceId":"${upload?.traceId}"`)

  await (await fetch(`${url}studies`)).text()
  child.kill('SIGTERM')
  t.equal(await ended(child), 143)
  t.equal(collector.spans().length, 10, 'the last ones are sent at the end')
})

test('a failing collector is logged once, and harms nothing', async (t) => {
  const collector = await startCollector(t)
  collector.reply.status = 400
  const { child, output, url } = await startTraced(t, {
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/custom`,
    OTEL_BSP_SCHEDULE_DELAY: '20',
  })
  for (let refused = 1; refused <= 3; refused++) {
    t.equal((await fetch(`${url}studies`)).status, 200)
    await eventually('it was sent', () => collector.headers.length >= refused)
  }
  collector.reply.status = 200
  await (await fetch(`${url}studies`)).text()
  await eventually('it recovers', () => output().includes('traces are exported again'))
  t.equal(output().split("traces can't be exported").length, 2)
  t.match(output(), /"reason":"the collector responded with 400: check OTEL_EXPORTER_OTLP_ENDPOINT/)
  t.equal(collector.headers[0]?.path, '/custom')
  child.kill('SIGTERM')
  t.equal(await ended(child), 143)
})

test('a collector that never responds delays no exit', async (t) => {
  const collector = await listenOn(
    t,
    createServer(() => {}),
  )
  const { child, output, url } = await startTraced(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector,
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '0',
  })
  t.equal((await fetch(`${url}studies`)).status, 200)
  const before = performance.now()
  child.kill('SIGTERM')
  t.equal(await ended(child), 143)
  t.match(output(), '"msg":"stopped"')
  t.ok(performance.now() - before < 6_000, 'its own limit would be ten seconds')
})

test('without the variables, or with others, nothing is sent', async (t) => {
  const collector = await startCollector(t)
  const each: [string, Record<string, string>, RegExp | null][] = [
    ['disabled', { OTEL_SDK_DISABLED: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }, null],
    ['no exporter', { OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }, null],
    ['gRPC', { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }, /over HTTP only/],
    ['no URL', { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' }, /must be a URL/],
    ['sampled out', { OTEL_TRACES_SAMPLER: 'always_off', OTEL_EXPORTER_OTLP_ENDPOINT: collector.url }, null],
  ]
  for (const [what, env, warning] of each) {
    const { child, output, url } = await startTraced(t, env)
    t.equal((await fetch(`${url}studies`)).status, 200, what)
    if (warning) t.match(output(), warning)
    child.kill('SIGTERM')
    t.equal(await ended(child), 143)
  }
  t.same(collector.spans(), [])
})

test('a collector by https, and a file of its authority that is missing', async (t) => {
  const certificate = makeCertificate()
  const arrived: string[] = []
  const collector = createSecureServer(certificate, async (request, response) => {
    await json(request)
    arrived.push(String(request.url))
    response.end('{}')
  })
  const OTEL_EXPORTER_OTLP_ENDPOINT = await listenOn(t, collector)
  // Not the test's own folder, which tap creates again at each access.
  const folder = await mkdtemp(join(tmpdir(), 'collector-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const authority = join(folder, 'ca.pem')
  await writeFile(authority, certificate.authority)
  const files = { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_CERTIFICATE: authority }
  const { url } = await startTraced(t, { ...files, OTEL_BSP_SCHEDULE_DELAY: '50' })
  await (await fetch(`${url}studies`)).text()
  await eventually('its spans arrive', () => arrived.length > 0)
  t.equal(arrived[0], '/v1/traces')

  const missing = { ...files, OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE: join(folder, 'none.pem') }
  const { output } = await startTraced(t, missing)
  t.match(output(), /OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE names a file that .*"tracing is off"/)
})
