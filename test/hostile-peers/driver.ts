/**
 * Asks the peers as the proxy does, in a process of its own whose memory is measured. Is told what
 * to do by its parent.
 */
import { request as httpsRequest } from 'node:https'
import { AlwaysOnSampler } from '@opentelemetry/sdk-trace'
import type { CredentialSettings, OutgoingSettings } from '../../src/config/settings.ts'
import { createFetchToken } from '../../src/credentials/fetch-token.ts'
import { getSmallResponse } from '../../src/forward/buffered-response.ts'
import { openConnections } from '../../src/forward/connections.ts'
import type { AuditRecord } from '../../src/observe/audit/audit-record.ts'
import { SyslogSink } from '../../src/observe/audit/syslog.ts'
import { startTracing } from '../../src/observe/otel-tracing.ts'
import { OrthancRest } from '../../src/orthanc/orthanc-rest.ts'

/** What the parent knows. */
export interface Environment {
  /** Addresses of the hostile peer, `host:port`: by http, and by TLS. */
  readonly hostile: string
  readonly hostileTls: string
  /** Root of one that gives tokens to whoever asks. */
  readonly good: string
  readonly externalAccountFile: string
  readonly subjectUrlFile: string
  readonly authority: string
  /** Milliseconds that a request may take. */
  readonly timeout: number
}

export type Order = { readonly environment: Environment } | { readonly peer: string } | { readonly measure: true }
export interface Report {
  readonly peer?: string
  /** How it ended. */
  readonly end?: string
  readonly milliseconds?: number
  /** Bytes: now, and the most that there ever were. */
  readonly resident: number
  readonly peak: number
}

type Ask = () => Promise<unknown>

function peersOf(environment: Environment): Readonly<Record<string, Ask>> {
  const { hostile, good, timeout } = environment
  const timeouts = { connect: timeout, response: timeout, searchResponse: timeout, idle: timeout, minBodyRate: 1 }
  const outgoing: OutgoingSettings = {
    verifyPeers: true,
    certificateAuthorities: [environment.authority],
    httpsProxy: null,
    httpProxy: null,
    noProxy: '',
    timeouts,
  }
  const connections = openConnections(outgoing)
  const behind = openConnections({ ...outgoing, httpsProxy: `http://${hostile}`, httpProxy: `http://${hostile}` })
  const { fetch, fetchDirect } = connections
  const token = (source: CredentialSettings['source'], more: object = {}, impersonate: string | null = null) =>
    createFetchToken(
      { source, impersonate },
      {
        fetch,
        fetchDirect,
        timeout,
        tokenUrl: `http://${hostile}/token`,
        iamCredentialsUrl: null,
        allowedHosts: [hostile, new URL(good).host],
        ...more,
      },
    )
  const user = { kind: 'authorized-user', clientId: 'id', clientSecret: 'secret', refreshToken: 'refresh' } as const
  const external = (file: string) => ({ kind: 'external-account-file', file }) as const
  const machine = { kind: 'application-default', file: null, wellKnownFile: null, metadataHost: hostile } as const
  const fromGood = { tokenUrl: `${good}/token`, iamCredentialsUrl: `http://${hostile}/` }
  return {
    'token endpoint': token(user),
    'Security Token Service': token(external(environment.externalAccountFile)),
    'URL of a subject token': token(external(environment.subjectUrlFile)),
    'IAM Credentials API': token(user, fromGood, 'orthanc@demo.iam.gserviceaccount.com'),
    'metadata server': token(machine),
    'Google, small reads': () =>
      getSmallResponse(connections.dispatcher, new URL(`http://${hostile}/`), {}, AbortSignal.timeout(timeout)),
    'Google, as check asks': async () =>
      (await fetch(`http://${hostile}/`, { signal: AbortSignal.timeout(timeout) })).text(),
    Orthanc: async () => {
      const rest = new OrthancRest(`http://${hostile}`, { timeout })
      await rest.serverEntries().finally(() => rest.close())
    },
    'outgoing proxy, for searches': async () => {
      const signal = AbortSignal.timeout(timeout)
      await (await behind.fetch('https://healthcare.invalid/', { signal })).text()
    },
    'outgoing proxy, for uploads': () =>
      new Promise((resolve, reject) => {
        const agent = behind.agentFor(new URL('https://healthcare.invalid'))
        const request = httpsRequest({ agent, host: 'healthcare.invalid', port: 443, method: 'POST' }, resolve)
        request.on('error', reject)
        request.end('body')
      }),
    'OpenTelemetry collector': () => exportSpans(timeout),
    'syslog repository': () => sendRecords(environment, 1),
    // 24 MiB, of which 16 are kept.
    'syslog repository, many records': () => sendRecords(environment, 400),
  }
}

async function exportSpans(timeout: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const tracing = startTracing({
    version: '0',
    sampler: new AlwaysOnSampler(),
    batch: { scheduledDelayMillis: 1, exportTimeoutMillis: timeout },
    certificates: {},
    reports: { failing: (error) => resolve(String(error)), recovered() {} },
  })
  const nothing = { account: undefined, service: undefined, route: undefined, code: undefined, layer: undefined }
  const request = {
    ...nothing,
    requestId: '00000000-0000-4000-8000-000000000000',
    method: 'GET',
    httpVersion: '1.1',
    age: 0,
    status: 200,
    abortedBy: undefined,
    attempts: 1,
    instances: undefined,
    progress: { received: 0, sent: 0 },
  }
  tracing.begin(request, {}).end(request)
  // Where the collector has begun a 200, the exporter takes the spans for sent.
  const end = await Promise.race([promise, tracing.close().then(() => 'taken for sent')])
  await tracing.close()
  throw new Error(end)
}

async function sendRecords({ hostileTls, authority, timeout }: Environment, records: number): Promise<void> {
  const { hostname, port } = new URL(`https://${hostileTls}`)
  const { promise, reject } = Promise.withResolvers<void>()
  let lost = 0
  const reports = {
    failing: (error: Error) => reject(error),
    recovered() {},
    lost: (records: number) => {
      lost += records
    },
    closed() {},
  }
  const target = { host: hostname, port: Number(port), certificateAuthorities: [authority], identity: null }
  const source = { id: 'proxy', hostName: 'h', processId: '1' }
  const times = { connectTimeoutMs: timeout, writeTimeoutMs: timeout, stableAfterMs: timeout }
  const sink = new SyslogSink(target, source, reports, times)
  const record = { ...search, query: 'PatientName='.padEnd(60_000, 'x') } as unknown as AuditRecord
  for (let count = 0; count < records; count++) sink.write(record)
  try {
    await promise
  } catch (error) {
    throw new Error(`${(error as Error).message} (${lost} records too many)`)
  } finally {
    await sink.close()
  }
}

const search = {
  audit: 'request',
  time: '2026-11-25T00:00:00.000Z',
  client: 'radiology',
  address: '192.0.2.1',
  service: 'QIDO-RS',
  method: 'GET',
  route: '/studies',
  outcome: 'succeeded',
  status: 200,
}

let peers: Readonly<Record<string, Ask>> = {}

function report(more: object = {}): void {
  const memory = { resident: process.memoryUsage.rss(), peak: process.resourceUsage().maxRSS * 1024 }
  process.send?.({ ...more, ...memory } satisfies Report)
}

process.on('message', async (order: Order) => {
  if ('environment' in order) peers = peersOf(order.environment)
  if (!('peer' in order)) {
    // What nobody holds any more is not what is measured.
    globalThis.gc?.()
    report()
    return
  }
  const { peer } = order
  const startedAt = performance.now()
  const end = await (peers[peer] ?? unknown)().then(
    () => 'a success',
    (error: Error) => error.message,
  )
  report({ peer, end, milliseconds: Math.round(performance.now() - startedAt) })
})

const unknown: Ask = () => Promise.reject(new Error('No such peer'))
