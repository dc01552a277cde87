// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { loadSettings } from '../../src/config/load.ts'
import { account, configuration, folder, load, location, problems, refusal } from './settings-of.ts'

test('one account, all else by default', async (t) => {
  const { readAt, ...settings } = await load(t, configuration())
  t.ok(Date.now() - readAt < 10_000)
  t.strictSame(settings, {
    accounts: [
      {
        name: 'a',
        project: 'my-project',
        location: 'europe-west4',
        dataset: 'd',
        dicomStore: 's',
        credential: {
          source: { kind: 'service-account-file', file: `${t.testdirName}/key.json` },
          impersonate: null,
        },
        quotaProject: null,
        access: ['STOW-RS', 'QIDO-RS', 'WADO-RS', 'DELETE'],
        rewriteUrls: true,
        privateCache: null,
        searchCompletion: null,
        parallelStow: null,
      },
    ],
    baseUrl: 'https://healthcare.googleapis.com/v1/',
    tokens: { tokenUrl: null, iamCredentialsUrl: null, allowedHosts: [], timeout: 60_000, refreshInterval: 60_000 },
    outgoing: {
      verifyPeers: true,
      certificateAuthorities: null,
      httpsProxy: null,
      httpProxy: null,
      noProxy: '',
      timeouts: { connect: 15_000, response: 1_900_000, searchResponse: 300_000, idle: 300_000, minBodyRate: 16_384 },
    },
    listen: { host: '127.0.0.1', port: 8043 },
    adminListen: { host: '127.0.0.1', port: 8044 },
    publicUrl: null,
    trustedProxies: [],
    corsOrigins: [],
    retry: { totalTimeout: 45_000, bufferPerRequest: 1024 * 1024, bufferTotal: 64 * 1024 * 1024 },
    concurrency: { maxInFlight: 64, maxPending: 256, queueTimeout: 20_000 },
    requestHeaders: 30_000,
    shutdownGrace: 20_000,
    deletionWait: 45_000,
    audit: null,
    orthanc: { dicomWebRoot: '/dicom-web/', httpTimeout: null, usesHttpProxy: false, registration: null },
    clients: null,
    allowedNetworks: null,
    tls: null,
    limits: {
      connections: 2048,
      connectionsPerAddress: 512,
      headerBytes: 16_384,
      keepAliveTimeout: 75_000,
      failedLogins: 5,
      rejectedLogRate: 60,
    },
    readiness: 'all',
    allowAnonymous: false,
    verbose: false,
    warnings: [],
    notices: [],
  })
})

test('every option has its effect', async (t) => {
  const content = {
    GoogleCloudPlatform: {
      Accounts: {
        a: {
          ...account,
          ImpersonateServiceAccount: 'x@p.iam.gserviceaccount.com',
          QuotaProject: 'billing',
          Access: ['DELETE', 'QIDO-RS', 'DELETE'],
          RewriteUrls: false,
          PrivateCache: { MaxAge: 60 },
          SearchCompletion: { MaxRows: 7, Timeout: 6, MaxParallel: 5, MaxSearches: 2 },
          ParallelStow: { Connections: 3, BatchBytes: 65_536, MemoryBytes: 131_072, MaxBytesPerSecond: 1_000_000 },
          OnDuplicate: 'verify',
        },
      },
      BaseUrl: 'http://127.0.0.1:9090/v1beta1',
      TokenUrl: 'https://sts.example.com/token',
      IamCredentialsUrl: 'https://iam.example.com',
      AllowedCredentialHosts: ['IDP.example.com:443', 'h:8443', 'h:8443'],
      Timeout: 5,
      RefreshInterval: 0,
    },
    DicomWebProxy: {
      Listen: '[::1]:9000',
      AdminListen: null,
      PublicUrl: 'https://pacs.example.com/google/',
      TrustedProxies: ['10.1.0.5', 'fd00:1::/32'],
      Cors: { Origins: ['https://viewer.example.com', 'http://[::1]:3000'] },
      Timeouts: { Connect: 1, Response: 2, Idle: 3, MinBodyRate: 5, RequestHeaders: 4 },
      Limits: {
        Connections: 10,
        ConnectionsPerAddress: 9,
        HeaderBytes: 8192,
        KeepAliveTimeout: 7,
        FailedLogins: 6,
        RejectedLogRate: 5,
      },
      Retry: { TotalTimeout: 3, BufferPerRequest: 2, BufferTotal: 0 },
      Concurrency: { MaxInFlight: 8, MaxPending: 0, QueueTimeout: 1 },
      ShutdownGrace: 0,
      Readiness: 'any',
      DeletionWait: 5,
      Audit: {
        File: 'audit.jsonl',
        StandardOutput: true,
        Syslog: { Server: '[::1]' },
        Required: true,
        QueryValues: true,
      },
    },
    HttpVerbose: true,
  }
  const settings = await load(t, content)
  const { accounts, outgoing, ...rest } = settings
  t.match(accounts, [
    {
      credential: { impersonate: 'x@p.iam.gserviceaccount.com' },
      quotaProject: 'billing',
      rewriteUrls: false,
      privateCache: { maxAge: 60_000 },
      searchCompletion: { maxRows: 7, timeout: 6_000, maxParallel: 5, maxSearches: 2 },
      parallelStow: {
        connections: 3,
        batchBytes: 65_536,
        memoryBytes: 131_072,
        maxBytesPerSecond: 1_000_000,
        onDuplicate: 'verify',
      },
    },
  ])
  t.strictSame(accounts[0]?.access, ['QIDO-RS', 'DELETE'])
  // Searches are not given longer than everything else.
  t.strictSame(outgoing.timeouts, { connect: 1000, response: 2000, searchResponse: 2000, idle: 3000, minBodyRate: 5 })
  t.match(rest, {
    baseUrl: 'http://127.0.0.1:9090/v1beta1/',
    tokens: {
      tokenUrl: 'https://sts.example.com/token',
      iamCredentialsUrl: 'https://iam.example.com/',
      allowedHosts: ['idp.example.com', 'h:8443'],
      timeout: 5000,
      refreshInterval: 60_000,
    },
    listen: { host: '::1', port: 9000 },
    adminListen: null,
    publicUrl: 'https://pacs.example.com/google',
    trustedProxies: [
      { address: '10.1.0.5', prefix: 32, family: 'ipv4' },
      { address: 'fd00:1::', prefix: 32, family: 'ipv6' },
    ],
    corsOrigins: ['https://viewer.example.com', 'http://[::1]:3000'],
    limits: {
      connections: 10,
      connectionsPerAddress: 9,
      headerBytes: 8192,
      keepAliveTimeout: 7000,
      failedLogins: 6,
      rejectedLogRate: 5,
    },
    retry: { totalTimeout: 3000, bufferPerRequest: 2, bufferTotal: 0 },
    concurrency: { maxInFlight: 8, maxPending: 0, queueTimeout: 1000 },
    requestHeaders: 4000,
    shutdownGrace: 0,
    readiness: 'any',
    deletionWait: 5000,
    audit: {
      file: /^\/.*\/audit\.jsonl$/,
      standardOutput: true,
      syslog: { host: '::1', port: 6514, sourceId: null, certificateAuthorities: null, identity: null },
      required: true,
      queryValues: true,
    },
    verbose: true,
  })
  t.equal(settings.tokens.allowedHosts.length, 2)
})

test('seconds beyond what a timer can count are cut, not turned into zero', async (t) => {
  const { tokens } = await load(t, configuration({}, { Timeout: 2147483647 }))
  t.ok(tokens.timeout > 86_400_000 && tokens.timeout < 2 ** 31)
})

test('settings are frozen all the way down', async (t) => {
  const walk = (value: unknown): boolean =>
    typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(walk))
  t.ok(walk(await load(t, configuration({}, {}, { Access: ['DELETE'] }))))
})

test('what cannot matter to a proxy is named', async (t) => {
  t.match((await load(t, configuration({ HttpTimeout: 600, DicomWeb: { Root: '/x' } }))).notices, [
    /DicomWeb\.Root/,
    /HttpTimeout/,
  ])
  t.strictSame((await load(t, configuration({ DicomWeb: { Enable: true }, HttpPort: 8042 }))).notices, [])
})

test('what is dangerous is a warning at every start', async (t) => {
  t.match((await load(t, configuration({ HttpsVerifyPeers: false }))).warnings, [/HttpsVerifyPeers is false/])
  const DicomWebProxy = { Listen: '0.0.0.0:8043', AdminListen: '[::]:8044', AllowAnonymous: true }
  const { warnings, listen, adminListen } = await load(t, configuration({ DicomWebProxy }))
  t.match(warnings, [/DicomWebProxy.Listen is 0\.0\.0\.0:8043/, /DicomWebProxy.AdminListen is \[::\]:8044/])
  t.equal(warnings.length, 2)
  t.strictSame(
    [listen, adminListen],
    [
      { host: '0.0.0.0', port: 8043 },
      { host: '::', port: 8044 },
    ],
  )
})

test('two listeners may both ask for any port', async (t) => {
  t.ok(await load(t, configuration({ DicomWebProxy: { Listen: '127.0.0.1:0', AdminListen: '127.0.0.1:0' } })))
})

test('variables reach every place, and an unset one explains a problem', async (t) => {
  const text = JSON.stringify(configuration({}, { Timeout: 7 }, { Project: '$' }))
    .replace('7', '${T}')
    .replace('"$"', '"${P}"')
  t.match(await load(t, text, { environment: { T: '9', P: 'p' } }), {
    accounts: [{ project: 'p' }],
    tokens: { timeout: 9000 },
  })
  const error = await refusal(() => load(t, text, { environment: { T: '9' } }))
  t.match(error?.problems, [{ path: 'GoogleCloudPlatform.Accounts.a.Project', problem: /it is empty/ }])
  t.match(
    error?.message,
    /^orthanc\.json: GoogleCloudPlatform\.Accounts\.a\.Project: must .*\nnote: .*variable P is not set/,
  )
})

test('nothing configured says what to write', async (t) => {
  const options = { environment: {}, workingDirectory: t.testdir({}), homeDirectory: '/home/me' }
  t.match(await problems(() => loadSettings(options)), [/no DICOM store is configured.*NAME=projects.*"Accounts"/])
})

test('a file that does not exist', async (t) => {
  const error = await refusal(() => load(t, {}, { path: 'nope.json' }))
  t.match(error?.problems, [{ file: 'nope.json', path: '', problem: /does not exist/ }])
  t.equal(error?.problems.length, 1)
})

test('a folder: its *.json files, put together', async (t) => {
  const workingDirectory = folder(t, {
    'etc/one.json': { GoogleCloudPlatform: { Accounts: { a: account } } },
    'etc/TWO.JSON': '// comment\n{ "HttpVerbose": true, }',
    'etc/three.txt': 'not read',
    'etc/four.json.bak': 'not read',
    'etc/sub/five.json': 'not read',
    'etc/sub.json/six.json': 'not read',
  })
  const settings = await load(t, {}, { path: 'etc', workingDirectory })
  t.match(settings, { verbose: true, accounts: [{ name: 'a' }] })
})

test('a folder: a section in two files is refused, as by Orthanc', async (t) => {
  const workingDirectory = folder(t, {
    'etc/a.json': { Name: 'x', GoogleCloudPlatform: { Accounts: { a: account } } },
    'etc/b.json': { Name: 'x', GoogleCloudPlatform: { Accounts: { b: account } } },
  })
  const error = await refusal(() => load(t, {}, { path: 'etc', workingDirectory }))
  t.strictSame(
    error?.problems.map(({ file, path }) => [file, path]),
    [
      ['etc/b.json', 'Name'],
      ['etc/b.json', 'GoogleCloudPlatform'],
    ],
  )
  t.match(error?.problems[0]?.problem, /also defined in etc\/a\.json/)
})

test('a folder: problems of all files at once, each with its own file', async (t) => {
  const workingDirectory = folder(t, {
    'etc/a.json': { GoogleCloudPlatform: { Accounts: { a: { ...location } } } },
    'etc/b.json': { DicomWebProxy: { Listen: 1 } },
    'etc/c.json': '{ "Name": }',
    'etc/d.json': '[]',
  })
  const error = await refusal(() => load(t, {}, { path: 'etc', workingDirectory }))
  t.strictSame(error?.problems.map(({ file, path }) => [file, path]).sort(), [
    ['etc/a.json', 'GoogleCloudPlatform.Accounts.a'],
    ['etc/b.json', 'DicomWebProxy.Listen'],
    ['etc/c.json', ''],
    ['etc/d.json', ''],
  ])
})

test('an unreadable file alone does not also claim that nothing is configured', async (t) => {
  t.strictSame((await refusal(() => load(t, '{')))?.problems.length, 1)
})

test('a folder: a link that leads nowhere is named', async (t) => {
  const workingDirectory = folder(t, { 'etc/a.json': configuration() })
  symlinkSync('nowhere', join(workingDirectory, 'etc/b.json'))
  const error = await refusal(() => load(t, {}, { path: 'etc', workingDirectory }))
  t.match(error?.problems, [{ file: 'etc/b.json', problem: /does not exist/ }])
})

test('an empty folder', async (t) => {
  const workingDirectory = folder(t, { 'etc/readme.txt': '' })
  t.match(await problems(() => load(t, {}, { path: 'etc', workingDirectory })), [/without any \*\.json file/])
})
