import { readdirSync, readFileSync } from 'node:fs'
import { type Test, test } from 'tap'
import { applySchema } from '../../src/config/schema.ts'
import type { ListenAddress, Settings } from '../../src/config/settings.ts'
import { hashOf } from '../helpers/clients.ts'
import { makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { defaults } from './schema-keys.ts'
import { configuration, load } from './settings-of.ts'

type Read = (settings: Settings) => unknown
const address = (from: ListenAddress | null) => from && `${from.host}:${from.port}`
/** An empty text turns something off. */
const off = (value: unknown) => value ?? ''
const seconds = (milliseconds: number | undefined) => (milliseconds ?? Number.NaN) / 1000

/** Where each default turns up when nothing is configured but an account. */
const always: Readonly<Record<string, Read>> = {
  'GoogleCloudPlatform.Accounts.*.Access': ({ accounts }) => accounts[0]?.access,
  'GoogleCloudPlatform.Accounts.*.RewriteUrls': ({ accounts }) => accounts[0]?.rewriteUrls,
  'GoogleCloudPlatform.BaseUrl': ({ baseUrl }) => baseUrl,
  'GoogleCloudPlatform.AllowedCredentialHosts': ({ tokens }) => tokens.allowedHosts,
  'GoogleCloudPlatform.Timeout': ({ tokens }) => seconds(tokens.timeout),
  'GoogleCloudPlatform.RefreshInterval': ({ tokens }) => seconds(tokens.refreshInterval),
  'DicomWebProxy.Listen': ({ listen }) => address(listen),
  'DicomWebProxy.AdminListen': ({ adminListen }) => address(adminListen),
  'DicomWebProxy.Limits.Connections': ({ limits }) => limits.connections,
  'DicomWebProxy.Limits.ConnectionsPerAddress': ({ limits }) => limits.connectionsPerAddress,
  'DicomWebProxy.Limits.HeaderBytes': ({ limits }) => limits.headerBytes,
  'DicomWebProxy.Limits.KeepAliveTimeout': ({ limits }) => seconds(limits.keepAliveTimeout),
  'DicomWebProxy.Limits.FailedLogins': ({ limits }) => limits.failedLogins,
  'DicomWebProxy.Limits.RejectedLogRate': ({ limits }) => limits.rejectedLogRate,
  'DicomWebProxy.AllowAnonymous': ({ allowAnonymous }) => allowAnonymous,
  'DicomWebProxy.Cors.Origins': ({ corsOrigins }) => corsOrigins,
  'DicomWebProxy.PublicUrl': ({ publicUrl }) => publicUrl,
  'DicomWebProxy.TrustedProxies': ({ trustedProxies }) => trustedProxies,
  'DicomWebProxy.Retry.TotalTimeout': ({ retry }) => seconds(retry.totalTimeout),
  'DicomWebProxy.Retry.BufferPerRequest': ({ retry }) => retry.bufferPerRequest,
  'DicomWebProxy.Retry.BufferTotal': ({ retry }) => retry.bufferTotal,
  'DicomWebProxy.Concurrency.MaxInFlight': ({ concurrency }) => concurrency.maxInFlight,
  'DicomWebProxy.Concurrency.MaxPending': ({ concurrency }) => concurrency.maxPending,
  'DicomWebProxy.Concurrency.QueueTimeout': ({ concurrency }) => seconds(concurrency.queueTimeout),
  'DicomWebProxy.ShutdownGrace': ({ shutdownGrace }) => seconds(shutdownGrace),
  'DicomWebProxy.Readiness': ({ readiness }) => readiness,
  'DicomWebProxy.DeletionWait': ({ deletionWait }) => seconds(deletionWait),
  'DicomWebProxy.Timeouts.Connect': ({ outgoing }) => seconds(outgoing.timeouts.connect),
  'DicomWebProxy.Timeouts.Response': ({ outgoing }) => seconds(outgoing.timeouts.response),
  'DicomWebProxy.Timeouts.Idle': ({ outgoing }) => seconds(outgoing.timeouts.idle),
  'DicomWebProxy.Timeouts.MinBodyRate': ({ outgoing }) => outgoing.timeouts.minBodyRate,
  'DicomWebProxy.Timeouts.RequestHeaders': ({ requestHeaders }) => seconds(requestHeaders),
  'DicomWeb.Root': ({ orthanc }) => orthanc.dicomWebRoot,
  HttpsVerifyPeers: ({ outgoing }) => outgoing.verifyPeers,
  HttpsCACertificates: ({ outgoing }) => off(outgoing.certificateAuthorities),
  HttpProxy: ({ outgoing }) => off(outgoing.httpsProxy),
  HttpVerbose: ({ verbose }) => verbose,
}

/**
 * Where they turn up once the sections that turn something on are there, with what they require and
 * no more.
 */
const whenConfigured: Readonly<Record<string, Read>> = {
  'GoogleCloudPlatform.Accounts.*.PrivateCache.Enabled': ({ accounts }) => accounts[0]?.privateCache !== null,
  'GoogleCloudPlatform.Accounts.*.PrivateCache.MaxAge': ({ accounts }) => seconds(accounts[0]?.privateCache?.maxAge),
  'GoogleCloudPlatform.Accounts.*.SearchCompletion.Enabled': ({ accounts }) => accounts[0]?.searchCompletion !== null,
  'GoogleCloudPlatform.Accounts.*.SearchCompletion.MaxRows': ({ accounts }) => accounts[0]?.searchCompletion?.maxRows,
  'GoogleCloudPlatform.Accounts.*.SearchCompletion.Timeout': ({ accounts }) =>
    seconds(accounts[0]?.searchCompletion?.timeout),
  'GoogleCloudPlatform.Accounts.*.SearchCompletion.MaxParallel': ({ accounts }) =>
    accounts[0]?.searchCompletion?.maxParallel,
  'GoogleCloudPlatform.Accounts.*.SearchCompletion.MaxSearches': ({ accounts }) =>
    accounts[0]?.searchCompletion?.maxSearches,
  'GoogleCloudPlatform.Accounts.*.ParallelStow.Enabled': ({ accounts }) => accounts[0]?.parallelStow !== null,
  'GoogleCloudPlatform.Accounts.*.ParallelStow.Connections': ({ accounts }) => accounts[0]?.parallelStow?.connections,
  'GoogleCloudPlatform.Accounts.*.ParallelStow.BatchBytes': ({ accounts }) => accounts[0]?.parallelStow?.batchBytes,
  'GoogleCloudPlatform.Accounts.*.ParallelStow.MemoryBytes': ({ accounts }) => accounts[0]?.parallelStow?.memoryBytes,
  'GoogleCloudPlatform.Accounts.*.ParallelStow.MaxBytesPerSecond': ({ accounts }) =>
    accounts[0]?.parallelStow?.maxBytesPerSecond ?? 0,
  'GoogleCloudPlatform.Accounts.*.OnDuplicate': ({ accounts }) => accounts[0]?.parallelStow?.onDuplicate,
  'DicomWebProxy.Clients.*.Admin': ({ clients }) => clients?.named[0]?.admin,
  'DicomWebProxy.Tls.Enabled': ({ tls }) => tls !== null,
  'DicomWebProxy.Tls.RequireClientCertificate': ({ tls }) => tls?.requireClientCertificate,
  'DicomWebProxy.Tls.Http2': ({ tls }) => tls?.http2,
  'DicomWebProxy.Audit.Enabled': ({ audit }) => audit !== null,
  'DicomWebProxy.Audit.StandardOutput': ({ audit }) => audit?.standardOutput,
  'DicomWebProxy.Audit.Syslog.Enabled': ({ audit }) => audit !== null && audit.syslog !== null,
  'DicomWebProxy.Audit.Required': ({ audit }) => audit?.required,
  'DicomWebProxy.Audit.QueryValues': ({ audit }) => audit?.queryValues,
  'DicomWebProxy.Orthanc.Enabled': ({ orthanc }) => orthanc.registration !== null,
  'DicomWebProxy.Orthanc.Timeout': ({ orthanc }) => seconds(orthanc.registration?.timeout),
  'DicomWebProxy.Orthanc.Interval': ({ orthanc }) => seconds(orthanc.registration?.interval),
  'DicomWebProxy.Orthanc.ResubmitFailedJobs.Enabled': ({ orthanc }) => orthanc.registration?.resubmission !== null,
  'DicomWebProxy.Orthanc.ResubmitFailedJobs.MaxAttempts': ({ orthanc }) =>
    orthanc.registration?.resubmission?.maxAttempts,
  'DicomWebProxy.Orthanc.ResubmitFailedJobs.Interval': ({ orthanc }) =>
    seconds(orthanc.registration?.resubmission?.interval),
  'DicomWebProxy.Orthanc.ResubmitFailedJobs.MaxAge': ({ orthanc }) =>
    seconds(orthanc.registration?.resubmission?.maxAge),
}

/**
 * Which kind of credential an account has is read from the keys that are given, this one among
 * them.
 */
const ofCredentials = ['GoogleCloudPlatform.Accounts.*.ApplicationDefault']

test('every default of the schema is in one of the tables', async (t) => {
  const known = [...Object.keys(always), ...Object.keys(whenConfigured), ...ofCredentials]
  t.strictSame([...defaults().keys()].sort(), known.sort())
})

function compare(t: Test, settings: Settings, table: Readonly<Record<string, Read>>): void {
  for (const [path, read] of Object.entries(table)) t.strictSame(read(settings), defaults().get(path), path)
}

test('a configuration of one account holds the defaults of the schema', async (t) => {
  compare(t, await load(t, configuration()), always)
})

test('sections are off unless they are there, and on with their defaults when they are', needsOpenssl(), async (t) => {
  const none = await load(t, configuration())
  t.strictSame([none.tls, none.audit, none.orthanc.registration, none.clients], [null, null, null, null])
  const { certificate, key } = makeAuthority(t).issue()
  const sections = {
    Tls: { Certificate: certificate, Key: key },
    Audit: { Syslog: { Server: 'audit.example.org' } },
    Orthanc: { Url: 'http://127.0.0.1:8042', ResubmitFailedJobs: {} },
  }
  const disabled = (section: object) => ({ ...section, Enabled: false })
  const Clients = { c: { PasswordHash: hashOf('x'), Accounts: { a: ['QIDO-RS'] } } }
  const inAccount = { PrivateCache: {}, SearchCompletion: {}, ParallelStow: {} }
  compare(t, await load(t, configuration({ DicomWebProxy: { ...sections, Clients } }, {}, inAccount)), whenConfigured)
  const offInAccount = { PrivateCache: disabled({}), SearchCompletion: disabled({}), ParallelStow: disabled({}) }
  const offAccount = (await load(t, configuration({}, {}, offInAccount))).accounts[0]
  t.strictSame([offAccount?.privateCache, offAccount?.searchCompletion, offAccount?.parallelStow], [null, null, null])

  const { Syslog } = sections.Audit
  const off = Object.fromEntries(Object.entries(sections).map(([name, section]) => [name, disabled(section)]))
  const { tls, audit, orthanc, notices } = await load(
    t,
    configuration({ DicomWebProxy: off, DicomWeb: { Root: '/x' } }),
  )
  t.strictSame([tls, audit, orthanc.registration], [null, null, null])
  t.match(notices, [/^DicomWeb\.Root has no effect/])
  const noSyslog = { File: 'audit.jsonl', Syslog: disabled(Syslog) }
  const { audit: trail } = await load(t, configuration({ DicomWebProxy: { Audit: noSyslog } }))
  t.match(trail, { syslog: null })
})

test('what was written stays as it was written', async (t) => {
  const written = configuration({ DicomWebProxy: { Retry: {} } }) as Record<string, unknown>
  const before = structuredClone(written)
  const { content } = applySchema(written)
  t.strictSame(written, before)
  t.notSame(content, before)
})

test('no code has a default of its own', async (t) => {
  const source = new URL('../../src/config/', import.meta.url)
  const fallback = /\.(?:text|texts|flag|number)\([^()]*\)+\s*(?:\?\?|\|\|)\s*(\S+?)[,)\s]/g
  const found = readdirSync(source).flatMap((name) =>
    [...readFileSync(new URL(name, source), 'utf8').matchAll(fallback)].map(([, value]) => `${name}: ${value}`),
  )
  t.ok(found.includes('clients.ts: null'), 'they are found')
  // The plugin takes 0 for 60 seconds; null and an empty text stand for what is not there.
  t.strictSame(
    found.filter((each) => !/: (null|'')$/.test(each)),
    // A copy of the schema's, that admin-address.test.ts compares with it.
    ['admin-address.ts: defaultAdminListen', 'google.ts: secondsForZero'],
  )
})
