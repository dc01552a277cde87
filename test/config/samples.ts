import { account, configuration, location } from './settings-of.ts'

const credential = (more: object) => configuration({}, { Accounts: { a: { ...location, ...more } } })
const proxy = (more: object) => configuration({ DicomWebProxy: more })
const google = (more: object) => configuration({}, more)
const inAccount = (more: object) => configuration({}, {}, more)
const named = (name: string) => google({ Accounts: { [name]: account } })
const inline = { AuthorizedUserClientId: 'i', AuthorizedUserClientSecret: 's', AuthorizedUserRefreshToken: 'r' }

const hash = `$scrypt$ln=15,r=8,p=3$${'A'.repeat(22)}$${'A'.repeat(43)}`
const digest = `sha256:${'0'.repeat(64)}`
const rights = { Accounts: { a: ['QIDO-RS'] } }
const client = (entry: object, name = 'c') => proxy({ Clients: { [name]: entry } })
const password = { PasswordHash: hash, ...rights }

const orthanc = (more: object, context: object = {}) =>
  proxy({ Orthanc: { Url: 'http://127.0.0.1:8042', ...more }, ...context })

/** Accepted by the schema and by the code. */
export const good: Readonly<Record<string, object>> = {
  'an account': configuration(),
  'unknown Orthanc sections': configuration({ Name: 'x', HttpPort: 8042, Plugins: [], DicomWeb: { Servers: {} } }),
  'a service account': credential({ ServiceAccountFile: 'k.json' }),
  'an authorized user’s file': credential({ AuthorizedUserFile: 'u.json' }),
  'three texts': credential(inline),
  'all of the plugin’s credentials': credential({ ServiceAccountFile: 'k', AuthorizedUserFile: 'u', ...inline }),
  'an external account': credential({ ExternalAccountFile: 'e.json' }),
  'application default': credential({ ApplicationDefault: true }),
  'application default false beside a file': inAccount({ ApplicationDefault: false }),
  'an external account, application default false': credential({ ExternalAccountFile: 'e', ApplicationDefault: false }),
  impersonation: inAccount({ ImpersonateServiceAccount: 'a-b@p.example.com.iam.gserviceaccount.com' }),
  'a compute service account': inAccount({ ImpersonateServiceAccount: '123-compute@developer.gserviceaccount.com' }),
  'a quota project': inAccount({ QuotaProject: 'example.com:billing' }),
  'a project number': inAccount({ Project: '123456789012' }),
  'a domain-scoped project': inAccount({ Project: 'example.com:my-project' }),
  'a multi-region': inAccount({ Location: 'us' }),
  'names in any script': inAccount({ Dataset: 'Röntgen_1.2-a', DicomStore: '画像' }),
  'two services': inAccount({ Access: ['WADO-RS', 'QIDO-RS', 'QIDO-RS'] }),
  'a name with a space': named('my google'),
  'a name in another script': named('画像'),
  'a name of 64 characters': named('x'.repeat(64)),
  'a name with dots': named('a..b'),
  'the name __proto__': google({ Accounts: JSON.parse(`{"__proto__":${JSON.stringify(account)}}`) }),
  'BaseUrl without slash': google({ BaseUrl: 'https://healthcare.googleapis.com/v1' }),
  'BaseUrl on loopback': google({ BaseUrl: 'http://127.0.0.1:9090/v1/' }),
  'BaseUrl on IPv6 loopback': google({ BaseUrl: 'http://[::1]:9090/' }),
  'BaseUrl on localhost': google({ BaseUrl: 'http://localhost' }),
  TokenUrl: google({ TokenUrl: 'https://oauth2.googleapis.com/token' }),
  IamCredentialsUrl: google({ IamCredentialsUrl: 'http://127.1.2.3:1' }),
  AllowedCredentialHosts: google({ AllowedCredentialHosts: ['idp.example.com', 'h:8443', '[::1]:1'] }),
  'an Orthanc': orthanc({}),
  'an Orthanc with logins': orthanc(
    { Username: 'u', Password: 'p', Client: 'c', ClientPassword: 'p' },
    { Clients: { c: password } },
  ),
  'an Orthanc whose jobs are resubmitted': orthanc({
    ResubmitFailedJobs: { MaxAttempts: 3, Interval: 30, MaxAge: 3600, StateFile: 'failed-jobs.json' },
  }),
  'an Orthanc with a client certificate': orthanc({ ClientCertificate: 'c.pem', ClientKey: 'c.key' }),
  'an Orthanc on another machine': orthanc({ Url: 'https://pacs:8042/orthanc', ProxyUrl: 'https://proxy:8043' }),
  'an Orthanc on another machine, a PublicUrl': orthanc(
    { Url: 'http://pacs:8042' },
    { PublicUrl: 'http://proxy:8043' },
  ),
  'zero seconds': google({ Timeout: 0, RefreshInterval: 0 }),
  'Orthanc’s longest': google({ Timeout: 2147483647, RefreshInterval: 2147483647 }),
  'Orthanc’s own options': configuration({
    HttpTimeout: 600,
    HttpVerbose: true,
    HttpsVerifyPeers: false,
    HttpProxy: '',
  }),
  HttpProxy: configuration({ HttpProxy: 'user:p@ss#w/rd@proxy.example.com:3128' }),
  'HttpProxy with http': configuration({ HttpProxy: 'http://10.0.0.1:3128/' }),
  'DicomWeb.Root': configuration({ DicomWeb: { Root: '/dicom-web' } }),
  'another port': proxy({ Listen: '127.0.0.1:9000', AdminListen: 'localhost:0' }),
  'IPv6 loopback': proxy({ Listen: '[::1]:8043' }),
  'no admin listener': proxy({ AdminListen: null }),
  'every address, anonymous': proxy({ Listen: '0.0.0.0:8043', AllowAnonymous: true }),
  PublicUrl: proxy({ PublicUrl: 'https://pacs.example.com/google/' }),
  'no PublicUrl': proxy({ PublicUrl: null }),
  TrustedProxies: proxy({ TrustedProxies: ['10.1.0.5', 'fd00::/8'] }),
  'Google’s own URLs': inAccount({ RewriteUrls: false }),
  'a private cache': inAccount({ PrivateCache: { Enabled: true, MaxAge: 604_800 } }),
  SearchCompletion: inAccount({ SearchCompletion: { Enabled: true, MaxRows: 1, Timeout: 3600 } }),
  'no SearchCompletion': inAccount({ SearchCompletion: { Enabled: false } }),
  ParallelStow: inAccount({ ParallelStow: {}, OnDuplicate: 'verify' }),
  'no ParallelStow': inAccount({ ParallelStow: { Enabled: false, Connections: 1 }, OnDuplicate: 'fail' }),
  Retry: proxy({ Retry: { TotalTimeout: 0, BufferPerRequest: 0, BufferTotal: 1 } }),
  Timeouts: proxy({
    Timeouts: { Connect: 1, Response: 86400, SearchResponse: 1, Idle: 60, MinBodyRate: 0, RequestHeaders: 1 },
  }),
  Concurrency: proxy({ Concurrency: { MaxInFlight: 1, MaxPending: 0, QueueTimeout: 1 } }),
  ShutdownGrace: proxy({ ShutdownGrace: 0 }),
  Readiness: proxy({ Readiness: 'any' }),
  'an audit file': proxy({ Audit: { File: 'audit.jsonl', Required: true, QueryValues: true } }),
  'an audit trail on standard output': proxy({ Audit: { StandardOutput: true } }),
  'an audit repository': proxy({ Audit: { Syslog: { Server: '[2001:db8::1]:6514', SourceId: 'p' } } }),
  'no waiting for deletions': proxy({ DeletionWait: 0 }),
  'a day for deletions': proxy({ DeletionWait: 86400 }),
}

type Refusal = readonly [content: object, ...problems: string[]]
const at = 'GoogleCloudPlatform'
const a = `${at}.Accounts.a`

/**
 * Refused by the schema and by the code; with how each problem begins or what it holds, separated
 * by `*`.
 */
export const bad: Readonly<Record<string, Refusal>> = {
  'resubmissions without end': [
    orthanc({ ResubmitFailedJobs: { MaxAttempts: 0 } }),
    'DicomWebProxy.Orthanc.ResubmitFailedJobs.MaxAttempts: must be a whole number from 1 to 100',
  ],
  'an audit repository without a server': [
    proxy({ Audit: { Syslog: { SourceId: 'p' } } }),
    'DicomWebProxy.Audit.Syslog.Server: is missing',
  ],
  'an audit repository by URL': [
    proxy({ Audit: { Syslog: { Server: 'tls://a:6514' } } }),
    'DicomWebProxy.Audit.Syslog.Server: must be host:port',
  ],
  'no credential': [credential({}), `${a}: has no credential; add ServiceAccountFile*"ApplicationDefault": true`],
  'application default false alone': [credential({ ApplicationDefault: false }), `${a}: has no credential`],
  'impersonation alone': [credential({ ImpersonateServiceAccount: 'a@b.com' }), `${a}: has no credential`],
  'two of three texts': [
    credential({ AuthorizedUserClientId: 'i', AuthorizedUserRefreshToken: 'r' }),
    `${a}.AuthorizedUserClientSecret: is missing; set * together`,
  ],
  'two new credentials': [
    credential({ ApplicationDefault: true, ExternalAccountFile: 'e' }),
    `${a}: has more than one credential (ApplicationDefault, ExternalAccountFile)`,
  ],
  'new and old': [inAccount({ ApplicationDefault: true }), `${a}: has more than one credential`],
  'external and one text': [
    credential({ ExternalAccountFile: 'e', AuthorizedUserClientId: 'i' }),
    `${a}: has more than one credential (ExternalAccountFile, AuthorizedUserClientId)`,
  ],
  'an empty file name': [credential({ ServiceAccountFile: '' }), `${a}.ServiceAccountFile: must be *, but it is empty`],
  'an empty secret': [
    credential({ ...inline, AuthorizedUserClientSecret: '' }),
    `${a}.AuthorizedUserClientSecret: must`,
  ],
  'nothing required': [
    google({ Accounts: { a: { ServiceAccountFile: 'k' } } }),
    `${a}.Project: is missing`,
    `${a}.Location: is missing`,
    `${a}.Dataset: is missing`,
    `${a}.DicomStore: is missing`,
  ],
  'a mistyped key': [inAccount({ QuotaProjekt: 'p' }), `${a}.QuotaProjekt: is not known; did you mean QuotaProject?`],
  'a key in another case': [inAccount({ access: [] }), `${a}.access: is not known; did you mean Access?`],
  'an unlike key': [inAccount({ Zzzzzz: 1 }), `${a}.Zzzzzz: is not known; use one of *ServiceAccountFile`],
  'a mistyped key of the proxy': [proxy({ Lissten: 'x' }), 'DicomWebProxy.Lissten: is not known; did you mean Listen?'],
  'a mistyped timeout': [proxy({ Timeouts: { Idel: 1 } }), 'DicomWebProxy.Timeouts.Idel: *did you mean Idle?'],
  'a mistyped google key': [google({ BaseURL: 'x' }), `${at}.BaseURL: is not known; did you mean BaseUrl?`],
  'no connections': [inAccount({ ParallelStow: { Connections: 0 } }), `${a}.ParallelStow.Connections: must*from 1`],
  'another treatment of duplicates': [
    inAccount({ ParallelStow: {}, OnDuplicate: 'overwrite' }),
    `${a}.OnDuplicate: must be one of "fail", "verify"`,
  ],
  'no client': [proxy({ Clients: {} }), 'DicomWebProxy.Clients: must be an object with one entry for each client'],
  'clients as a list': [proxy({ Clients: [] }), 'DicomWebProxy.Clients: must be an object'],
  'a client that is a text': [client('x' as never), 'DicomWebProxy.Clients.c: must be an object'],
  'a client with nothing to log in with': [client(rights), 'DicomWebProxy.Clients.c: has no login; add'],
  'a client that may do nothing': [client({ PasswordHash: hash }), 'DicomWebProxy.Clients.c: has no permissions; add'],
  'the same, said so': [
    client({ PasswordHash: hash, Admin: false }),
    'DicomWebProxy.Clients.c: has no permissions; add',
  ],
  'a password': [
    client({ Password: 'x', ...rights }),
    'DicomWebProxy.Clients.c.Password: *did you mean PasswordHash?',
    'DicomWebProxy.Clients.c: has no login',
  ],
  'a password as hash': [
    client({ ...password, PasswordHash: 'x' }),
    'DicomWebProxy.Clients.c.PasswordHash: must be a hash*not the password',
  ],
  'another kind of hash': [
    client({ ...password, PasswordHash: '$2b$12$abc' }),
    'DicomWebProxy.Clients.c.PasswordHash: must be',
  ],
  'a token as digest': [
    client({ TokenDigest: 'x', ...rights }),
    'DicomWebProxy.Clients.c.TokenDigest: must be*not the token',
  ],
  'a subject without attribute': [
    client({ ...password, CertificateSubject: 'x' }),
    'DicomWebProxy.Clients.c.CertificateSubject: must be the cert',
  ],
  'a name of no kind': [
    client({ ...password, CertificateName: 'x' }),
    'DicomWebProxy.Clients.c.CertificateName: must be a subject alternative name',
  ],
  ...Object.fromEntries(
    ['Authorization', 'Accept', 'Cookie', 'Storage-Class', 'X-', 'X-Forwarded User', 'X_User', '', ' X-User'].map(
      (UserHeader) => [
        `the user header ${JSON.stringify(UserHeader)}`,
        [
          client({ ...password, UserHeader }),
          'DicomWebProxy.Clients.c.UserHeader: must be the name of a header that begins with X- or Remote-',
        ] satisfies Refusal,
      ],
    ),
  ),
  'a service that does not exist': [
    client({ ...password, Accounts: { a: ['STOW'] } }),
    'DicomWebProxy.Clients.c.Accounts.a[0]: must be one of*did you mean "STOW-RS"?',
  ],
  'an account without a service': [
    client({ ...password, Accounts: { a: [] } }),
    'DicomWebProxy.Clients.c.Accounts.a: must be a list',
  ],
  ...Object.fromEntries(
    ['', 'a:b', 'a\nb', '"a"', ' a', 'a ', 'x'.repeat(65)].map((name) => [
      `the client’s name ${JSON.stringify(name)}`,
      [client(password, name), 'DicomWebProxy.Clients*: must have a name of 1 to 64 characters'] satisfies Refusal,
    ]),
  ),
  'no network': [proxy({ AllowedNetworks: [] }), 'DicomWebProxy.AllowedNetworks: must be a list with at least one'],
  'a network by name': [
    proxy({ AllowedNetworks: ['hospital'] }),
    'DicomWebProxy.AllowedNetworks[0]: must be a network',
  ],
  'Tls without key': [
    proxy({ Tls: { Certificate: 'server.pem' } }),
    'DicomWebProxy.Tls.Key: is missing; add it: it must be the path of a PEM file',
  ],
  'no connection at all': [
    proxy({ Limits: { Connections: 0 } }),
    'DicomWebProxy.Limits.Connections: must*from 1*, not 0',
  ],
  'a head of no size': [proxy({ Limits: { HeaderBytes: 1 } }), 'DicomWebProxy.Limits.HeaderBytes: must*4096*, not 1'],
  'an account that is a text': [google({ Accounts: { a: 'x' } }), `${a}: must be an object`],
  'Accounts as a list': [google({ Accounts: [] }), `${at}.Accounts: must be an object with one entry`],
  'a section as a list': [configuration({ DicomWebProxy: [] }), 'DicomWebProxy: must be an object'],
  'the Google section as text': [{ GoogleCloudPlatform: 'x' }, `${at}: must be an object`],
  'a number as text': [google({ Timeout: '60' }), `${at}.Timeout: must be a whole number of seconds*without quotes`],
  'half a second': [google({ Timeout: 0.5 }), `${at}.Timeout: must be a whole number`],
  'negative seconds': [google({ RefreshInterval: -1 }), `${at}.RefreshInterval: must*, not -1`],
  'a text as number': [inAccount({ Project: 12345 }), `${a}.Project: must be*number in quotes`],
  'true as text': [configuration({ HttpsVerifyPeers: 'false' }), 'HttpsVerifyPeers: must be true or false'],
  'null for a text': [google({ BaseUrl: null }), `${at}.BaseUrl: must be a URL*, not null`],
  'HttpTimeout as text': [configuration({ HttpTimeout: '60' }), 'HttpTimeout: must be a whole number'],
  'a project’s display name': [inAccount({ Project: 'My Project' }), `${a}.Project: must be*not its display name`],
  'a project that leaves the path': [inAccount({ Project: '../p' }), `${a}.Project: must be`],
  'a location with a space': [inAccount({ Location: 'europe-west4 ' }), `${a}.Location: must be*remove the space`],
  'a location that leaves the path': [inAccount({ Location: 'us/datasets' }), `${a}.Location: must be`],
  'a dataset ..': [inAccount({ Dataset: '..' }), `${a}.Dataset: must be`],
  'a full name as store': [inAccount({ DicomStore: 'projects/p/x' }), `${a}.DicomStore: must be the name alone`],
  'a percent sign': [inAccount({ DicomStore: 'a%2fb' }), `${a}.DicomStore: must be`],
  'a name of 257 characters': [inAccount({ Dataset: 'x'.repeat(257) }), `${a}.Dataset: must be`],
  'an e-mail address without domain': [
    inAccount({ ImpersonateServiceAccount: 'robot' }),
    `${a}.ImpersonateServiceAccount: must be a service account's e-mail address`,
  ],
  'an e-mail address with a path': [
    inAccount({ ImpersonateServiceAccount: 'a/b@c.com' }),
    `${a}.ImpersonateServiceAccount: must`,
  ],
  'no service': [inAccount({ Access: [] }), `${a}.Access: must be a list with at least one of "STOW-RS"`],
  'a service as text': [inAccount({ Access: 'STOW-RS' }), `${a}.Access: must be a list`],
  'near services': [
    inAccount({ Access: ['STOW', 'qido', 'WADO_RS', 'delete', 'X', 1] }),
    `${a}.Access[0]: must be one of*did you mean "STOW-RS"?`,
    `${a}.Access[1]: must be one of*did you mean "QIDO-RS"?`,
    `${a}.Access[2]: must be one of*did you mean "WADO-RS"?`,
    `${a}.Access[3]: must be one of*did you mean "DELETE"?`,
    `${a}.Access[4]: must be one of "STOW-RS", "QIDO-RS", "WADO-RS", "DELETE"`,
    `${a}.Access[5]: must be one of`,
  ],
  ...Object.fromEntries(
    ['', '.', '..', 'a/b', 'a\\b', 'a?b', 'a#b', 'a%b', 'a\nb', 'a\u202eb', 'x'.repeat(65), '\ud800'].map((name) => [
      `the account name ${JSON.stringify(name)}`,
      [named(name), `${at}.Accounts*: must have a name of 1 to 64 characters`] satisfies Refusal,
    ]),
  ),
  ...Object.fromEntries(
    [
      'http://healthcare.googleapis.com/v1/',
      'http://127.0.0.1.example.com/',
      'http://localhost.example.com/',
      'http://localhost@example.com/',
      'http://0.0.0.0/',
      'https://user:hidden@example.com/',
      'https://example.com/?x=1',
      'https://example.com/#x',
      'https:///v1',
      'https://exa mple.com/',
      'https://example.com\\v1',
      'ftp://example.com/',
      'healthcare.googleapis.com/v1',
      '',
    ].flatMap((url) =>
      ['BaseUrl', 'TokenUrl', 'IamCredentialsUrl'].map((key) => [
        `${key} ${url}`,
        [google({ [key]: url }), `${at}.${key}: must be a URL that begins with https://`] satisfies Refusal,
      ]),
    ),
  ),
  ...Object.fromEntries(
    ['https://h', 'h/p', 'h:', '', 'a b', 'u@h'].map((host) => [
      `the allowed host ${host}`,
      [
        google({ AllowedCredentialHosts: [host] }),
        `${at}.AllowedCredentialHosts[0]: must be a host name`,
      ] satisfies Refusal,
    ]),
  ),
  'an allowed host as text': [google({ AllowedCredentialHosts: 'h' }), `${at}.AllowedCredentialHosts: must be a list`],
  ...Object.fromEntries(
    ['8043', '127.0.0.1', ':8043', '127.0.0.1:65536', '127.0.0.1:http', '::1:80', '*:80', '', 'a b:1', 'h:-1'].map(
      (text) => [
        `Listen ${text}`,
        [proxy({ Listen: text }), 'DicomWebProxy.Listen: must be host:port'] satisfies Refusal,
      ],
    ),
  ),
  'Listen null': [proxy({ Listen: null }), 'DicomWebProxy.Listen: must be host:port*, not null'],
  'PublicUrl without scheme': [proxy({ PublicUrl: 'pacs.example.com' }), 'DicomWebProxy.PublicUrl: must be the http'],
  'a trusted proxy by name': [
    proxy({ TrustedProxies: ['gateway'] }),
    'DicomWebProxy.TrustedProxies[0]: must be a network such as 10.1.0.0/16',
  ],
  'PublicUrl with password': [proxy({ PublicUrl: 'https://u:p@h/' }), 'DicomWebProxy.PublicUrl: must be the http'],
  'a budget below zero': [
    proxy({ Retry: { TotalTimeout: -1 } }),
    'DicomWebProxy.Retry.TotalTimeout: must*from 0*, not -1',
  ],
  'less than no wait': [proxy({ DeletionWait: -1 }), 'DicomWebProxy.DeletionWait: must*from 0*, not -1'],
  'a wait as text': [proxy({ DeletionWait: '45' }), 'DicomWebProxy.DeletionWait: must*seconds*without quotes'],
  'bytes as text': [
    proxy({ Retry: { BufferTotal: '64M' } }),
    'DicomWebProxy.Retry.BufferTotal: must*bytes*without quotes',
  ],
  'no time to connect': [proxy({ Timeouts: { Connect: 0 } }), 'DicomWebProxy.Timeouts.Connect: must*from 1*, not 0'],
  'no request at all': [
    proxy({ Concurrency: { MaxInFlight: 0 } }),
    'DicomWebProxy.Concurrency.MaxInFlight: must*from 1*, not 0',
  ],
  'a retired key': [
    proxy({ Workers: 1 }),
    'DicomWebProxy.Workers: is retired; remove it; *replicas*(docs/operations.md#replicas)',
  ],
  'readiness of some': [proxy({ Readiness: 'some' }), 'DicomWebProxy.Readiness: must be one of "all", "any"*'],
  'half a grace': [proxy({ ShutdownGrace: 0.5 }), 'DicomWebProxy.ShutdownGrace: must*whole number*, not 0.5'],
  'more than a day': [proxy({ Timeouts: { Idle: 86401 } }), 'DicomWebProxy.Timeouts.Idle: must*, not 86401'],
  ...Object.fromEntries(
    ['proxy', 'socks5://proxy:1080', 'https://proxy:3128', 'https://u:p@proxy:3128', 'proxy:port', 'http://proxy'].map(
      (text) => [
        `HttpProxy ${text}`,
        [
          configuration({ HttpProxy: text }),
          'HttpProxy: must be host:port or user:password@host:port',
        ] satisfies Refusal,
      ],
    ),
  ),
}

/**
 * Refused by the code alone: a schema can't tell loopback from other addresses, compare numbers
 * or read a file.
 */
export const badBeyondSchema: Readonly<Record<string, Refusal>> = {
  'batches beyond their memory': [
    inAccount({ ParallelStow: { BatchBytes: 1_048_576, MemoryBytes: 2_000_000 } }),
    `${a}.ParallelStow.MemoryBytes: is less than twice BatchBytes`,
  ],
  'duplicates that no batch holds': [
    inAccount({ OnDuplicate: 'verify' }),
    `${a}.OnDuplicate: is "verify", which needs ParallelStow; turn ParallelStow on`,
  ],
  'the same, said so of ParallelStow': [
    inAccount({ ParallelStow: { Enabled: false }, OnDuplicate: 'verify' }),
    `${a}.OnDuplicate: is "verify", which needs ParallelStow`,
  ],
  'an audit trail to nowhere': [
    proxy({ Audit: { Required: true } }),
    'DicomWebProxy.Audit: has no destination; set File, Syslog',
  ],
  'a certificate without its key': [
    proxy({ Audit: { Syslog: { Server: 'a', Certificate: 'nowhere.pem' } } }),
    'DicomWebProxy.Audit.Syslog.Key: is missing; set both Certificate and Key, or neither',
  ],
  'an authority that is not there': [
    proxy({ Audit: { Syslog: { Server: 'a', CACertificates: 'nowhere.pem' } } }),
    'DicomWebProxy.Audit.Syslog.CACertificates: names a file that does not exist',
  ],
  'a user of Orthanc without a password': [
    orthanc({ Username: 'u' }),
    'DicomWebProxy.Orthanc.Password: is missing; set both Username and Password, or neither',
  ],
  'a client for Orthanc that there is not': [
    orthanc({ Client: 'd', ClientPassword: 'p' }, { Clients: { c: password } }),
    'DicomWebProxy.Orthanc.Client: is not a client in Clients or ClientsFile',
  ],
  'a client for Orthanc, and nothing to log in with': [
    orthanc({ Client: 'c' }, { Clients: { c: password } }),
    'DicomWebProxy.Orthanc.ClientPassword: is missing; set it, or ClientCertificate and ClientKey',
  ],
  'a password for Orthanc without a client': [
    orthanc({ ClientPassword: 'p' }),
    'DicomWebProxy.Orthanc.Client: is missing; set both Client and ClientPassword, or neither',
  ],
  'a client certificate for Orthanc without its key': [
    orthanc({ ClientCertificate: 'c.pem' }),
    'DicomWebProxy.Orthanc.ClientKey: is missing; set both ClientCertificate and ClientKey, or neither',
  ],
  'a certificate for a client that has none': [
    orthanc({ Client: 'c', ClientCertificate: 'c.pem', ClientKey: 'c.key' }, { Clients: { c: password } }),
    'DicomWebProxy.Orthanc.Client: names a client without CertificateSubject and CertificateName',
  ],
  'a client for Orthanc without a password': [
    orthanc({ Client: 'c', ClientPassword: 'p' }, { Clients: { c: { TokenDigest: digest, ...rights } } }),
    'DicomWebProxy.Orthanc.Client: names a client without PasswordHash',
  ],
  'an Orthanc that could not connect': [
    orthanc({ Url: 'http://pacs:8042' }),
    'DicomWebProxy.Orthanc.ProxyUrl: is missing (Orthanc is on another machine*; set it to the URL',
  ],
  'an authority of Orthanc that is not there': [
    orthanc({ CACertificates: 'nowhere.pem' }),
    'DicomWebProxy.Orthanc.CACertificates: names a file that does not exist',
  ],
  'clients, and everyone': [
    proxy({ AllowAnonymous: true, Clients: { c: password } }),
    'DicomWebProxy.AllowAnonymous: contradicts Clients',
  ],
  'a client of an account that does not exist': [
    client({ ...password, Accounts: { b: ['QIDO-RS'] } }),
    'DicomWebProxy.Clients.c.Accounts.b: is not an account in GoogleCloudPlatform.Accounts',
  ],
  'two clients with one token': [
    proxy({ Clients: { c: { TokenDigest: digest, ...rights }, d: { TokenDigest: digest, ...rights } } }),
    'DicomWebProxy.Clients.d.TokenDigest: is the same as that of client c',
  ],
  'a hash that is too cheap': [
    client({ ...password, PasswordHash: hash.replace('ln=15', 'ln=10') }),
    'DicomWebProxy.Clients.c.PasswordHash: has a cost that is too low',
  ],
  'one that is too expensive': [
    client({ ...password, PasswordHash: hash.replace('ln=15', 'ln=20') }),
    'DicomWebProxy.Clients.c.PasswordHash: has a cost that is too low to protect a password, or too high',
  ],
  'a certificate without authorities': [
    client({ ...password, CertificateSubject: 'CN=c' }),
    'DicomWebProxy.Clients.c.CertificateSubject: has no effect*set DicomWebProxy.Tls.ClientAuthorities',
  ],
  'a ClientsFile that is not there': [proxy({ ClientsFile: 'missing.json' }), ': does not exist'],
  ...Object.fromEntries(
    [
      ['null', 'must not be null'],
      ['*', 'must not have a wildcard'],
      ['https://*.example.com', 'must not have a wildcard'],
      ...[
        'https://viewer.example.com/',
        'https://viewer.example.com/path',
        'https://viewer.example.com?q',
        'https://viewer.example.com:443',
        'http://viewer.example.com:80',
        'https://Viewer.example.com',
        'HTTPS://viewer.example.com',
        'https://user@viewer.example.com',
        'https://bücher.example',
        'https://a.example, https://b.example',
        ' https://viewer.example.com',
        'viewer.example.com',
        'file:///viewer',
        'https://',
        '',
      ].map((origin) => [origin, 'must be an origin'] as const),
    ].map(([origin, problem]) => [
      `the origin ${JSON.stringify(origin)}`,
      [proxy({ Cors: { Origins: [origin] } }), `DicomWebProxy.Cors.Origins[0]: ${problem}`] satisfies Refusal,
    ]),
  ),
  'a network that is too exact': [
    proxy({ AllowedNetworks: ['10.0.0.0/33'] }),
    'DicomWebProxy.AllowedNetworks[0]: must be a network',
  ],
  'TLS files that are not there': [
    proxy({ Tls: { Certificate: 'missing.pem', Key: 'missing.key' } }),
    'DicomWebProxy.Tls.Certificate: names a file that does not exist',
    'DicomWebProxy.Tls.Key: names a file that does not exist',
  ],
  'every address': [proxy({ Listen: '0.0.0.0:8043' }), 'DicomWebProxy.Listen: lets other machines*AllowAnonymous'],
  'every IPv6 address': [proxy({ Listen: '[::]:8043' }), 'DicomWebProxy.Listen: lets other machines connect'],
  'a host name': [proxy({ Listen: 'pacs:8043' }), 'DicomWebProxy.Listen: lets other machines connect'],
  'a lookalike of loopback': [proxy({ Listen: '127.0.0.1.nip.io:80' }), 'DicomWebProxy.Listen: lets other machines'],
  'the admin listener on every address': [proxy({ AdminListen: '0.0.0.0:1' }), 'DicomWebProxy.AdminListen: lets other'],
  'one address twice': [proxy({ AdminListen: '127.0.0.1:8043' }), 'DicomWebProxy.AdminListen: must differ from Listen'],
  'not an IPv6 address': [proxy({ Listen: '[::1::2]:80' }), 'DicomWebProxy.Listen: must be host:port'],
  'not an IPv4 address': [google({ BaseUrl: 'http://127.0.0.999/' }), `${at}.BaseUrl: must be a URL`],
  'a port that is too high': [google({ TokenUrl: 'https://h:65536/' }), `${at}.TokenUrl: must be a URL`],
  'a PublicUrl with such a port': [proxy({ PublicUrl: 'https://h:65536/' }), 'DicomWebProxy.PublicUrl: must be'],
  'a proxy with such a port': [configuration({ HttpProxy: 'h:65536' }), 'HttpProxy: must be host:port'],
  'no account': [{ Name: 'x' }, `${at}.Accounts: no DICOM store is configured*"my-google"`],
  'an empty Accounts': [google({ Accounts: {} }), `${at}.Accounts: no DICOM store is configured`],
  'our section in another case': [configuration({ DicomwebProxy: {} }), 'DicomwebProxy: *did you mean DicomWebProxy?'],
  'a slip in our section': [configuration({ GoogleCloudPlattform: {} }), 'GoogleCloudPlattform: *did you mean Google'],
}
