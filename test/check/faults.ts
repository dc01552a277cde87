import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect, createServer } from 'node:net'
import { pino } from 'pino'
import type { CheckOptions } from '../../src/cli/check/check.ts'
import { loadSettings } from '../../src/config/load.ts'
import { demoStore, type EmulatorOptions, type Fault as GoogleFault } from '../../src/emulator/emulator.ts'
import { startProxy } from '../../src/proxy/proxy.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { hashOf } from '../helpers/clients.ts'
import { listenOn } from '../helpers/listen.ts'
import { startOrthanc } from '../helpers/orthanc.ts'
import type { Broken, Harness } from './harness.ts'

/** One thing that is broken, and what `check` says about it. */
export interface Fault {
  /** What is broken; continues its group's heading. */
  readonly name: string
  /** Codes of all checks that fail; the first one is the fault's own. */
  readonly codes: readonly [string, ...string[]]
  readonly exitCode: number
  readonly needsOrthanc?: boolean
  readonly emulator?: EmulatorOptions
  /** Breaks it; returns the options of `check` and its environment variables. */
  readonly breaks: (harness: Harness) => Promise<CheckOptions & { readonly environment?: Record<string, string> }>
}

type Breaks = Fault['breaks']

const configured =
  (broken: Broken | ((harness: Harness) => Broken | Promise<Broken>)): Breaks =>
  async (harness) => ({
    config: await harness.configuration(typeof broken === 'function' ? await broken(harness) : broken),
  })

const googleFault = (fault: GoogleFault): Breaks =>
  configured(({ emulator }) => {
    emulator.faults.add(fault)
    return {}
  })

const keyFile =
  (name: string, content: (harness: Harness) => string | object | Promise<string | object>): Breaks =>
  async (harness) => {
    const text = await content(harness)
    const file = await harness.write(name, typeof text === 'string' ? text : JSON.stringify(text))
    return { config: await harness.configuration({ account: { credential: { ServiceAccountFile: file } } }) }
  }

const userFile =
  (change: object): Breaks =>
  async (harness) => {
    const { clientId, clientSecret, refreshToken } = harness.credentials.authorizedUser
    const content = { type: 'authorized_user', client_id: clientId, client_secret: clientSecret }
    const file = await harness.write('user.json', { ...content, refresh_token: refreshToken, ...change })
    return { config: await harness.configuration({ account: { credential: { AuthorizedUserFile: file } } }) }
  }

/** The content of the key file as the emulator wrote it. */
async function accountKey({ emulator, credentials }: Harness, change: object = {}): Promise<object> {
  return { ...(await emulator.addServiceAccount(credentials.serviceAccountEmail)), ...change }
}

const configuration: readonly Fault[] = [
  {
    name: 'the file does not exist',
    codes: ['configuration'],
    exitCode: 2,
    breaks: async ({ folder }) => ({ config: `${folder}/missing.json` }),
  },
  {
    name: 'the file is not JSON: a bracket is missing',
    codes: ['configuration'],
    exitCode: 2,
    breaks: async (harness) => ({
      config: await harness.write('bad.json', '{ "GoogleCloudPlatform": { "Accounts": {} }'),
    }),
  },
  {
    name: 'a key is misspelled',
    codes: ['configuration'],
    exitCode: 2,
    breaks: configured({ account: { QuotaProjekt: 'billing' } }),
  },
  {
    name: 'a value has the wrong type',
    codes: ['configuration'],
    exitCode: 2,
    breaks: configured({ google: { Timeout: 'long' } }),
  },
  {
    name: 'other machines may connect, but there are no clients',
    codes: ['configuration'],
    exitCode: 2,
    breaks: configured({ proxy: { Listen: '0.0.0.0:8043', AdminListen: null } }),
  },
  {
    name: 'the file of the trusted CAs is missing',
    codes: ['configuration'],
    exitCode: 2,
    breaks: configured({ top: { HttpsCACertificates: 'missing.pem' } }),
  },
  {
    name: 'the folder of StateFile does not exist',
    codes: ['state-file', 'orthanc-unreachable'],
    exitCode: 2,
    breaks: configured(async (harness) => ({
      proxy: {
        Orthanc: {
          Url: `http://${await harness.closedPort()}`,
          ResubmitFailedJobs: { StateFile: `${harness.folder}/missing/failed-jobs.json` },
        },
      },
    })),
  },
]

const credentialFiles: readonly Fault[] = [
  {
    name: 'it does not exist',
    codes: ['file-missing'],
    exitCode: 5,
    breaks: configured(({ folder }) => ({ account: { credential: { ServiceAccountFile: `${folder}/missing.json` } } })),
  },
  {
    name: 'it is a folder',
    codes: ['file-unreadable'],
    exitCode: 5,
    breaks: configured(({ folder }) => ({ account: { credential: { ServiceAccountFile: folder } } })),
  },
  {
    name: 'it is not JSON',
    codes: ['file-flawed'],
    exitCode: 5,
    breaks: keyFile('key.json', () => '-----BEGIN PRIVATE KEY-----'),
  },
  {
    name: 'it is of another kind',
    codes: ['file-flawed'],
    exitCode: 5,
    breaks: configured(({ credentials }) => ({
      account: { credential: { ServiceAccountFile: credentials.authorizedUserFile } },
    })),
  },
  {
    name: 'its key is damaged',
    codes: ['file-flawed'],
    exitCode: 5,
    breaks: keyFile('key.json', (harness) => accountKey(harness, { private_key: 'damaged' })),
  },
  {
    name: 'it names a host that is not Google’s',
    codes: ['file-flawed'],
    exitCode: 5,
    breaks: configured(({ credentials }) => ({
      account: { credential: { ExternalAccountFile: credentials.externalAccountFile } },
    })),
  },
]

/** A server in place of Google. */
async function otherServer(harness: Harness, respond: (response: ServerResponse) => void): Promise<string> {
  return listenOn(
    harness,
    createHttpServer((_request, response) => respond(response)),
  )
}

/** An outgoing proxy that responds to CONNECT with a status; with 200 it connects. */
async function outgoingProxy(harness: Harness, status: number): Promise<string> {
  const server = createHttpServer()
  server.on('connect', (request, socket) => {
    socket.on('error', () => undefined)
    if (status !== 200) return socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`)
    const { hostname, port } = new URL(`http://${request.url}`)
    const onward = connect(Number(port), hostname, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    onward.on('error', () => socket.destroy())
    return onward.pipe(socket).pipe(onward)
  })
  return new URL(await listenOn(harness, server)).host
}

const throughProxy = (status: number, login = ''): Breaks =>
  configured(async (harness) => ({ top: { HttpProxy: `${login}${await outgoingProxy(harness, status)}` } }))

const tls = (options: Parameters<typeof makeCertificate>[0] = {}) => makeCertificate(options)
const here = tls()
const expired = tls({ notAfter: new Date(Date.now() - 86_400_000) })
const elsewhere = tls({ names: ['login.example.com'] })

const trusting = (authority: string): Breaks =>
  configured(async (harness) => ({ top: { HttpsCACertificates: await harness.write('authorities.pem', authority) } }))

const network: readonly Fault[] = [
  {
    name: 'its name cannot be resolved',
    codes: ['name'],
    exitCode: 3,
    breaks: configured({ google: { BaseUrl: 'https://healthcare.invalid/v1/' } }),
  },
  {
    name: 'the connection is refused',
    codes: ['refused'],
    exitCode: 3,
    breaks: configured(async (harness) => ({ google: { BaseUrl: `http://${await harness.closedPort()}/v1/` } })),
  },
  {
    name: 'a firewall allows the connection, but drops the response',
    codes: ['timeout'],
    exitCode: 3,
    breaks: configured(async (harness) => ({
      google: { BaseUrl: `${await otherServer(harness, () => undefined)}/v1/` },
      proxy: { Timeouts: { SearchResponse: 1 } },
    })),
  },
  {
    name: 'the connection is closed without a response',
    codes: ['reset'],
    exitCode: 3,
    breaks: configured(async (harness) => ({
      google: { BaseUrl: `${await otherServer(harness, (response) => response.destroy())}/v1/` },
    })),
  },
  {
    name: 'a TLS inspection signs with its own CA',
    codes: ['tls-authority'],
    exitCode: 3,
    emulator: { tls: here },
    breaks: configured({}),
  },
  {
    name: 'HttpsCACertificates contains other CAs only',
    codes: ['tls-authority'],
    exitCode: 3,
    emulator: { tls: here },
    breaks: trusting(elsewhere.authority),
  },
  {
    name: 'the certificate is not valid by this clock',
    codes: ['tls-expired'],
    exitCode: 3,
    emulator: { tls: expired },
    breaks: trusting(expired.authority),
  },
  {
    name: 'a login page of the network responds',
    codes: ['tls-name'],
    exitCode: 3,
    emulator: { tls: elsewhere },
    breaks: trusting(elsewhere.authority),
  },
  {
    name: 'what responds does not speak TLS',
    codes: ['tls-protocol'],
    exitCode: 3,
    breaks: configured(async (harness) => ({
      google: {
        BaseUrl: `${(
          await listenOn(
            harness,
            createServer((socket) => socket.resume().end('no TLS')),
          )
        ).replace('http:', 'https:')}/v1/`,
      },
    })),
  },
  {
    name: 'the outgoing proxy is not running',
    codes: ['proxy-unreachable'],
    exitCode: 3,
    breaks: configured(async (harness) => ({ top: { HttpProxy: await harness.closedPort() } })),
  },
  {
    name: 'the outgoing proxy’s name cannot be resolved',
    codes: ['proxy-name'],
    exitCode: 3,
    breaks: configured({ top: { HttpProxy: 'proxy.invalid:3128' } }),
  },
  { name: 'the outgoing proxy requires a login', codes: ['proxy-login'], exitCode: 3, breaks: throughProxy(407) },
  {
    name: 'the outgoing proxy rejects the login',
    codes: ['proxy-login'],
    exitCode: 3,
    breaks: throughProxy(407, 'user:wrong@'),
  },
  {
    name: 'the outgoing proxy refuses connections to Google',
    codes: ['proxy-refuses'],
    exitCode: 3,
    breaks: throughProxy(403),
  },
  {
    name: 'the token endpoint’s name cannot be resolved',
    codes: ['name'],
    exitCode: 3,
    breaks: configured({ google: { TokenUrl: 'https://oauth2.invalid/token' } }),
  },
]

const clock: readonly Fault[] = [
  {
    name: 'it is ten minutes fast',
    codes: ['clock', 'token-clock'],
    exitCode: 4,
    breaks: configured(({ emulator }) => {
      emulator.setClockSkew(-600)
      return {}
    }),
  },
  {
    name: 'it is two minutes slow',
    codes: ['clock'],
    exitCode: 4,
    breaks: configured(({ emulator }) => {
      emulator.setClockSkew(120)
      return {}
    }),
  },
]

const token: readonly Fault[] = [
  {
    name: 'the key was deleted at Google',
    codes: ['key-revoked'],
    exitCode: 5,
    breaks: configured(async ({ emulator, credentials }) => {
      await emulator.addServiceAccount(credentials.serviceAccountEmail)
      return {}
    }),
  },
  {
    name: 'the file contains the key of another account',
    codes: ['key-revoked'],
    exitCode: 5,
    breaks: keyFile('key.json', async (harness) => {
      const other = await harness.emulator.addServiceAccount('other@demo.iam.gserviceaccount.com')
      return { ...other, client_email: harness.credentials.serviceAccountEmail, private_key_id: undefined }
    }),
  },
  {
    name: 'the service account was deleted',
    codes: ['account-gone'],
    exitCode: 5,
    breaks: keyFile('key.json', (harness) =>
      accountKey(harness, { client_email: 'gone@demo.iam.gserviceaccount.com' }),
    ),
  },
  {
    name: 'the user’s login was revoked',
    codes: ['login-revoked'],
    exitCode: 5,
    breaks: userFile({ refresh_token: 'x' }),
  },
  {
    name: 'the client secret is wrong',
    codes: ['client-wrong'],
    exitCode: 5,
    breaks: userFile({ client_secret: 'x' }),
  },
  {
    name: 'there are no Application Default Credentials',
    codes: ['no-credential'],
    exitCode: 5,
    breaks: async (harness) => ({
      config: await harness.configuration({ account: { credential: { ApplicationDefault: true } } }),
      environment: { GCE_METADATA_HOST: await harness.closedPort() },
    }),
  },
  {
    name: 'impersonation is not allowed',
    codes: ['impersonation-denied'],
    exitCode: 5,
    breaks: configured(({ emulator, credentials }) => {
      emulator.denyImpersonation(credentials.serviceAccountEmail, credentials.impersonatedEmail)
      return { account: { ImpersonateServiceAccount: credentials.impersonatedEmail } }
    }),
  },
  {
    name: 'the token endpoint is down',
    codes: ['issuer-down'],
    exitCode: 5,
    breaks: googleFault({ target: 'token', status: 503 }),
  },
  {
    name: 'the token endpoint limits the rate',
    codes: ['token-quota'],
    exitCode: 5,
    breaks: googleFault({ target: 'token', status: 429 }),
  },
  {
    name: 'something else responds in place of the token endpoint',
    codes: ['issuer-wrong'],
    exitCode: 5,
    breaks: googleFault({ target: 'token', garbage: true }),
  },
]

const refusal = (reason: string, message: string): GoogleFault => ({
  target: 'permissions',
  status: 403,
  body: { error: { code: 403, message, status: 'PERMISSION_DENIED', details: [{ reason, domain: 'googleapis.com' }] } },
})

const store: readonly Fault[] = [
  {
    name: 'the token lacks the scope',
    codes: ['scope'],
    exitCode: 6,
    breaks: googleFault({
      target: 'permissions',
      status: 403,
      headers: { 'www-authenticate': 'Bearer realm="https://accounts.google.com/", error="insufficient_scope"' },
      body: { error: { code: 403, message: 'Request had insufficient authentication scopes.' } },
    }),
  },
  {
    name: 'the Cloud Healthcare API is not enabled',
    codes: ['api-disabled'],
    exitCode: 6,
    breaks: googleFault(refusal('SERVICE_DISABLED', 'Cloud Healthcare API has not been used in project demo before.')),
  },
  {
    name: 'billing is disabled',
    codes: ['billing'],
    exitCode: 6,
    // As the search alone says it, and in an array.
    breaks: googleFault({
      target: 'QIDO-RS',
      status: 403,
      body: [
        {
          error: { code: 403, message: 'This API method requires billing.', details: [{ reason: 'BILLING_DISABLED' }] },
        },
      ],
    }),
  },
  {
    name: 'a perimeter keeps this machine out',
    codes: ['perimeter'],
    exitCode: 6,
    breaks: googleFault(refusal('SECURITY_POLICY_VIOLATED', "Request is prohibited by organization's policy.")),
  },
  {
    name: 'QuotaProject may not be used',
    codes: ['quota-project'],
    exitCode: 6,
    breaks: configured({ account: { QuotaProject: 'billing' } }),
  },
  {
    name: 'Google rejects the token',
    codes: ['token-rejected'],
    exitCode: 6,
    breaks: googleFault({ target: 'permissions', status: 401 }),
  },
  {
    name: 'BaseUrl leads to something else',
    codes: ['redirect'],
    exitCode: 6,
    breaks: configured(async (harness) => ({
      google: {
        BaseUrl: `${await otherServer(harness, (response) => response.writeHead(302, { location: '/login' }).end())}/v1/`,
      },
    })),
  },
  {
    name: 'the project is wrong',
    codes: ['store-denied'],
    exitCode: 6,
    breaks: configured({ account: { Project: 'dem0' } }),
  },
  {
    name: 'the store is wrong',
    codes: ['no-store'],
    exitCode: 6,
    breaks: configured({ account: { DicomStore: 'dem0' } }),
  },
  {
    name: 'the identity may only read',
    codes: ['permission-missing'],
    exitCode: 6,
    breaks: configured(({ emulator, credentials }) => {
      emulator.grant(credentials.serviceAccountEmail, demoStore, 'viewer')
      return {}
    }),
  },
  {
    name: 'Google limits the rate',
    codes: ['quota'],
    exitCode: 6,
    breaks: googleFault({ target: 'QIDO-RS', status: 429 }),
  },
  {
    name: 'Google fails',
    codes: ['google-failed'],
    exitCode: 6,
    breaks: googleFault({ target: 'QIDO-RS', status: 503 }),
  },
  {
    name: 'Google closes the connection without a response',
    codes: ['no-response'],
    exitCode: 6,
    breaks: googleFault({ target: 'QIDO-RS', resetBefore: true }),
  },
]

const client = { PasswordHash: hashOf('a long password'), Accounts: { 'my-google': ['QIDO-RS'] } }

const inDays = (days: number) => new Date(Date.now() + days * 86_400_000)

/** The proxy's own TLS, with a certificate for these names and a CA of clients' certificates. */
const listenerTls = (own: { cert: string; key: string }, clientAuthorities: string | null = null): Breaks =>
  configured(async (harness) => ({
    proxy: {
      Tls: {
        Certificate: await harness.write('certificate.pem', own.cert),
        Key: await harness.write('key.pem', own.key),
        ...(clientAuthorities !== null && {
          ClientAuthorities: await harness.write('clients.pem', clientAuthorities),
        }),
      },
      ...(clientAuthorities !== null && { Clients: { radiology: client } }),
    },
  }))

const certificates: readonly Fault[] = [
  {
    name: 'the certificate has expired',
    codes: ['certificate-expired'],
    exitCode: 2,
    breaks: listenerTls(expired),
  },
  {
    name: 'an intermediate certificate has expired',
    codes: ['intermediate-expired'],
    exitCode: 2,
    breaks: listenerTls({ cert: here.cert + expired.authority, key: here.key }),
  },
  {
    name: 'the CA of clients’ certificates has expired',
    codes: ['client-ca-expired'],
    exitCode: 2,
    breaks: listenerTls(tls({ notAfter: inDays(90) }), expired.authority),
  },
]

const auditFile = (file: (harness: Harness) => string | Promise<string>): Breaks =>
  configured(async (harness) => ({ proxy: { Audit: { File: await file(harness) } } }))

const auditRepository = (start: (harness: Harness) => Promise<string>): Breaks =>
  configured(async (harness) => ({ proxy: { Audit: { Syslog: { Server: await start(harness) } } } }))

const auditTrail: readonly Fault[] = [
  {
    name: 'its folder does not exist',
    codes: ['audit-folder'],
    exitCode: 2,
    breaks: auditFile(({ folder }) => `${folder}/missing/audit.log`),
  },
  {
    name: 'its file is a folder',
    codes: ['audit-file'],
    exitCode: 2,
    breaks: auditFile(({ folder }) => folder),
  },
  {
    name: 'the repository can’t be reached',
    codes: ['audit-unreachable'],
    exitCode: 3,
    breaks: auditRepository((harness) => harness.closedPort()),
  },
  {
    name: 'the repository’s certificate is from another CA',
    codes: ['audit-tls'],
    exitCode: 3,
    breaks: auditRepository(async (harness) => new URL(await listenOn(harness, createHttpsServer(here))).host),
  },
  {
    name: 'the repository closes connections',
    codes: ['audit-refused'],
    exitCode: 3,
    breaks: auditRepository(async (harness) => {
      const server = createServer((socket) => socket.on('error', () => undefined).once('data', () => socket.destroy()))
      return new URL(await listenOn(harness, server)).host
    }),
  },
]

const runningProxy: readonly Fault[] = [
  {
    name: 'another program has the port of AdminListen',
    codes: ['port-taken'],
    exitCode: 8,
    breaks: configured(async (harness) => ({
      proxy: { AdminListen: new URL(await otherServer(harness, (response) => response.end('<!doctype html>'))).host },
    })),
  },
  {
    name: 'another program has the port of Listen',
    codes: ['port-taken'],
    exitCode: 8,
    breaks: configured(async (harness) => ({
      proxy: { Listen: new URL(await otherServer(harness, (response) => response.writeHead(404).end())).host },
    })),
  },
  {
    name: 'what has the port of Listen gives no response',
    codes: ['proxy-silent'],
    exitCode: 8,
    breaks: configured(async (harness) => ({
      proxy: { Listen: new URL(await otherServer(harness, (response) => response.destroy())).host },
    })),
  },
  {
    name: 'a proxy with another configuration runs',
    codes: ['proxy-other'],
    exitCode: 8,
    breaks: async (harness) => {
      const Listen = await harness.closedPort()
      await running(harness, { config: await harness.configuration({ proxy: { Listen } }) })
      const renamed = JSON.parse(readFileSync(`${harness.folder}/orthanc.json`, 'utf8'))
      const { Accounts } = renamed.GoogleCloudPlatform
      renamed.GoogleCloudPlatform.Accounts = { renamed: Accounts['my-google'] }
      return { config: await harness.write('orthanc.json', renamed) }
    },
  },
]

interface OrthancFault {
  readonly entry?: Readonly<Record<string, string | number>> | null
  readonly configuration?: Readonly<Record<string, unknown>>
  readonly broken?: Broken
}

/**
 * A real Orthanc whose server `my-google` is correct except for the given changes; null: no server.
 */
const orthanc =
  ({ entry = {}, configuration = {}, broken = {} }: OrthancFault): Breaks =>
  async (harness) => {
    const listen = await harness.closedPort()
    const proper = { Url: `http://${listen}/my-google/`, HasDelete: '1', Timeout: 600 }
    const servers = entry === null ? {} : { 'my-google': { ...proper, ...entry } }
    const { url } = await startOrthanc(harness, { servers, configuration })
    const config = await harness.configuration({ ...broken, proxy: { Listen: listen, ...broken.proxy } })
    return { config, orthanc: url }
  }

const needsOrthanc = true

const orthancs: readonly Fault[] = [
  {
    name: 'it is not running',
    codes: ['orthanc-unreachable'],
    exitCode: 7,
    breaks: async (harness) => ({
      config: await harness.configuration(),
      orthanc: `http://${await harness.closedPort()}`,
    }),
  },
  {
    name: 'something else listens there',
    codes: ['not-orthanc'],
    exitCode: 7,
    breaks: async (harness) => ({
      config: await harness.configuration(),
      orthanc: await otherServer(harness, (response) => response.end('<!doctype html>')),
    }),
  },
  {
    name: 'its certificate is self-signed',
    codes: ['orthanc-tls'],
    exitCode: 7,
    breaks: async (harness) => ({
      config: await harness.configuration(),
      orthanc: await listenOn(harness, createHttpsServer(here)),
    }),
  },
  {
    name: 'what is in front of it does not admit this machine',
    codes: ['orthanc-forbidden'],
    exitCode: 7,
    breaks: async (harness) => ({
      config: await harness.configuration(),
      orthanc: await otherServer(harness, (response) => response.writeHead(403).end()),
    }),
  },
  {
    name: 'it requires a login',
    codes: ['orthanc-login'],
    exitCode: 7,
    needsOrthanc,
    breaks: orthanc({ configuration: { AuthenticationEnabled: true, RegisteredUsers: { synthetic: 'password' } } }),
  },
  {
    name: 'its DICOMweb plugin is missing',
    codes: ['no-plugin'],
    exitCode: 7,
    needsOrthanc,
    breaks: orthanc({ configuration: { Plugins: [] } }),
  },
  {
    name: 'its DICOMweb plugin is from before 2019',
    codes: ['plugin-old'],
    exitCode: 7,
    breaks: async (harness) => ({
      config: await harness.configuration(),
      orthanc: await otherServer(harness, (response) =>
        response.end(response.req.url?.includes('servers') ? '["other"]' : '{"Version":"0.6"}'),
      ),
    }),
  },
  {
    name: 'its DICOMweb plugin has another root',
    codes: ['dicomweb-root'],
    exitCode: 7,
    needsOrthanc,
    breaks: orthanc({ configuration: { DicomWeb: { Root: '/other/' } } }),
  },
  {
    name: 'it has no server for the account',
    codes: ['server-missing'],
    exitCode: 7,
    needsOrthanc,
    breaks: orthanc({ entry: null }),
  },
  {
    name: 'the server’s Url is wrong',
    codes: ['server-url'],
    exitCode: 7,
    needsOrthanc,
    breaks: orthanc({ entry: { Url: 'http://127.0.0.1:8043/my-googel/' } }),
  },
  {
    name: 'HttpTimeout was never raised',
    codes: ['http-timeout-short'],
    exitCode: 7,
    needsOrthanc,
    breaks: orthanc({ entry: { Timeout: 0 } }),
  },
  {
    name: 'the server’s Timeout is short',
    codes: ['timeout-short'],
    exitCode: 7,
    needsOrthanc,
    breaks: orthanc({ entry: { Timeout: 60 } }),
  },
  {
    name: 'chunked transfers are off',
    codes: ['chunked-off'],
    exitCode: 7,
    needsOrthanc,
    breaks: orthanc({ entry: { ChunkedTransfers: '0' } }),
  },
  {
    name: 'images are retrieved in any transfer syntax',
    codes: ['retrieval-decompressed'],
    exitCode: 7,
    needsOrthanc,
    breaks: orthanc({ entry: { HasWadoRsUniversalTransferSyntax: '0' } }),
  },
  {
    name: 'the proxy has clients, but the server has no login',
    codes: ['login-missing'],
    exitCode: 7,
    needsOrthanc,
    breaks: orthanc({ broken: { proxy: { Clients: { radiology: client } } } }),
  },
  {
    name: 'the proxy rejects the server’s login',
    codes: ['through-refused'],
    exitCode: 7,
    needsOrthanc,
    breaks: async (harness) => {
      const entry = { Username: 'radiology', Password: 'another password' }
      return running(harness, await orthanc({ entry, broken: { proxy: { Clients: { radiology: client } } } })(harness))
    },
  },
  {
    name: 'a search by Orthanc fails, though everything else works',
    codes: ['through-failed'],
    exitCode: 7,
    needsOrthanc,
    breaks: async (harness) => {
      harness.emulator.faults.add({ target: 'QIDO-RS', skip: 1, status: 500 })
      return running(harness, await orthanc({ broken: { proxy: { Retry: { TotalTimeout: 0 } } } })(harness))
    },
  },
]

/** Runs the proxy of a configuration until the harness closes. */
async function running<Options extends CheckOptions>(harness: Harness, options: Options): Promise<Options> {
  const context = { environment: {}, workingDirectory: harness.folder, homeDirectory: harness.folder }
  const proxy = await startProxy(await loadSettings({ path: options.config, ...context }), {
    logger: pino({ enabled: false }),
  })
  harness.teardown(() => proxy.close())
  return options
}

/** Grouped by what is broken. */
export const faults: Readonly<Record<string, readonly Fault[]>> = {
  'The configuration': configuration,
  'A credential file': credentialFiles,
  'The way to Google': network,
  'The clock of this machine': clock,
  'The access token': token,
  'The store at Google': store,
  'The proxy’s certificates': certificates,
  'The audit trail': auditTrail,
  'The running proxy': runningProxy,
  Orthanc: orthancs,
}
