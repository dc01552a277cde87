import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { parse } from 'jsonc-parser'
import { type Test, test } from 'tap'
import { loadSettings } from '../../src/config/load.ts'
import { refusedBySchema, schemaPath, schemaText } from '../../src/config/schema.ts'
import { substituteVariables } from '../../src/config/variables.ts'
import { hashOf } from '../helpers/clients.ts'
import { makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { bad, badBeyondSchema, good } from './samples.ts'
import { configuration, folder } from './settings-of.ts'

interface Schema {
  readonly $ref?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema | boolean
  readonly items?: Schema
  readonly description?: string
  readonly default?: unknown
  readonly $defs?: Readonly<Record<string, Schema>>
  readonly 'x-must'?: string
}
const schema: Schema = JSON.parse(schemaText())
const configFolder = new URL('../../config/', import.meta.url)
const environment = { GOOGLE_CLIENT_SECRET: 'x', GOOGLE_REFRESH_TOKEN: 'y' }

function resolved(part: Schema): Schema {
  const name = part.$ref?.split('/').at(-1)
  return name === undefined ? part : { ...schema.$defs?.[name], ...part }
}

/** Every key of the schema, as a path; an account's are under `Accounts.*`. */
function keys(part: Schema = schema, path = ''): string[] {
  const { properties = {}, additionalProperties } = resolved(part)
  const own = Object.entries(properties).flatMap(([key, value]) => [`${path}${key}`, ...keys(value, `${path}${key}.`)])
  return typeof additionalProperties === 'object' ? [...own, ...keys(additionalProperties, `${path}*.`)] : own
}

/** The same of a configuration's content. */
function keysOf(content: unknown, path = ''): string[] {
  if (typeof content !== 'object' || content === null || Array.isArray(content)) return []
  return Object.entries(content).flatMap(([key, value]) => {
    if (/Clients\.\*\.Accounts\.$/.test(path)) return []
    const at = /^(GoogleCloudPlatform\.Accounts|DicomWebProxy\.Clients)\.$/.test(path) ? `${path}*` : `${path}${key}`
    return [...(at.endsWith('*') ? [] : [at]), ...keysOf(value, `${at}.`)]
  })
}

function example(name: string): unknown {
  const text = readFileSync(new URL(name, configFolder), 'utf8')
  return parse(substituteVariables(text, environment).text)
}

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictRequired: false })
ajv.addVocabulary(['x-must'])
const validate = ajv.compile(schema)

test('the published schema is a valid one, and the one that the program uses', async (t) => {
  t.ok(ajv.validateSchema(schema))
  t.equal(schemaPath, new URL('schema.json', configFolder).pathname)
})

test('schema and code accept the same', async (t) => {
  for (const [what, content] of Object.entries(good)) t.ok(validate(content), what)
  for (const [what, [content]] of Object.entries(bad)) t.notOk(validate(content), what)
  for (const [what, [content]] of Object.entries(badBeyondSchema)) t.ok(validate(content), what)
})

test('what the schema refuses is refused, words or not', async (t) => {
  t.equal(refusedBySchema({}), false)
  t.equal(refusedBySchema({ DicomWebProxy: 1 }), true)
})

test('every key has a description, and every rule its words', async (t) => {
  const parts = (part: Schema): [string, Schema][] =>
    Object.entries(part.properties ?? {}).flatMap(([key, value]) => [[key, value], ...parts(value)])
  const described = [schema, ...Object.values(schema.$defs ?? {})].flatMap(parts)
  for (const [key, part] of described.filter(([, part]) => typeof part === 'object')) {
    t.type(resolved(part).description, 'string', key)
    t.type(resolved(part)['x-must'], 'string', key)
  }
})

test('config/full.json has every key of the schema, and no other', async (t) => {
  t.strictSame([...new Set(keysOf(example('full.json')))].sort(), keys().sort())
})

test('every key that the code reads is in the schema, and the other way round', async (t) => {
  const files = [
    'accounts',
    'audit',
    'clients',
    'concurrency',
    'credential',
    'limits',
    'listen',
    'load',
    'networks',
    'notices',
    'orthanc',
    'outgoing',
    'retry',
    'tls',
    'tokens',
  ]
  const code = files
    .map((name) => readFileSync(new URL(`../../src/config/${name}.ts`, import.meta.url), 'utf8'))
    .join('')
  const known = new Set(keys().map((path) => path.split('.').at(-1) ?? ''))
  for (const key of known) t.ok(code.includes(`'${key}'`), `the code reads ${key}`)
  const read = [...code.matchAll(/(?:text|texts|flag|number|section|has|isNull)\('([A-Z][A-Za-z]+)'\)/g)].map(
    ([, key]) => key ?? '',
  )
  t.ok(read.length > 15)
  for (const key of read) t.ok(known.has(key), `the schema knows ${key}`)
})

for (const name of ['orthanc-gcp-plugin.json', 'minimal.json', 'full.json']) {
  test(`config/${name} is accepted by both`, needsOpenssl(), async (t) => {
    t.ok(validate(example(name)), JSON.stringify(validate.errors))
    const path = fileURLToPath(new URL(name, configFolder))
    const options = { path, environment, workingDirectory: namedFiles(t), homeDirectory: '/' }
    t.ok((await loadSettings(options)).accounts.length > 0)
    t.strictSame((await loadSettings(options)).warnings, [])
  })
}

/** A folder with the files that config/full.json names. */
function namedFiles(t: Test): string {
  const authority = makeAuthority(t)
  const { cert, keyText } = authority.issue({ days: 30 })
  const clients = { night: { PasswordHash: hashOf('x'), Accounts: { archive: ['STOW-RS'] } } }
  const pem = { 'server.pem': cert, 'server.key': keyText, 'client-authorities.pem': authority.cert }
  return folder(t, { 'clients.json': clients, ...pem })
}

test('defaults of the schema are those of the code', async (t) => {
  const [account, ...more] = (
    await loadSettings({
      stores: ['a=projects/p/locations/l/datasets/d/dicomStores/s'],
      environment: {},
      workingDirectory: '/',
      homeDirectory: '/',
    })
  ).accounts
  t.strictSame(more, [])
  t.strictSame(account?.access, schema.$defs?.account?.properties?.Access?.default)
  const settings = await loadSettings({
    path: 'minimal.json',
    environment,
    workingDirectory: configFolder.pathname,
    homeDirectory: '/',
  })
  const google = schema.$defs?.googleCloudPlatform?.properties ?? {}
  const proxy = schema.$defs?.dicomWebProxy?.properties ?? {}
  const timeouts = proxy.Timeouts?.properties ?? {}
  t.equal(settings.baseUrl, google.BaseUrl?.default)
  t.equal(settings.tokens.timeout, 1000 * Number(google.Timeout?.default))
  t.equal(settings.tokens.refreshInterval, 1000 * Number(google.RefreshInterval?.default))
  t.equal(`${settings.listen.host}:${settings.listen.port}`, proxy.Listen?.default)
  t.equal(`${settings.adminListen?.host}:${settings.adminListen?.port}`, proxy.AdminListen?.default)
  const { orthanc } = await loadSettings({
    path: 'orthanc.json',
    environment,
    workingDirectory: folder(t, {
      'orthanc.json': configuration({ DicomWebProxy: { Orthanc: { Url: 'http://[::1]:8042/' } } }),
    }),
    homeDirectory: '/',
  })
  t.equal(orthanc.registration?.timeout, 1000 * Number(schema.$defs?.orthanc?.properties?.Timeout?.default))
  t.equal(orthanc.registration?.interval, 1000 * Number(schema.$defs?.orthanc?.properties?.Interval?.default))
  t.equal(settings.allowAnonymous, proxy.AllowAnonymous?.default)
  t.equal(settings.publicUrl, proxy.PublicUrl?.default)
  t.equal(settings.outgoing.timeouts.connect, 1000 * Number(timeouts.Connect?.default))
  t.equal(settings.outgoing.timeouts.answer, 1000 * Number(timeouts.Answer?.default))
  t.equal(settings.outgoing.timeouts.searchAnswer, 1000 * Number(timeouts.SearchAnswer?.default))
  t.equal(settings.outgoing.timeouts.idle, 1000 * Number(timeouts.Idle?.default))
  t.equal(settings.outgoing.timeouts.idleBytes, timeouts.IdleBytes?.default)
  t.equal(settings.requestHead, 1000 * Number(timeouts.RequestHead?.default))
  t.equal(settings.shutdownGrace, 1000 * Number(proxy.ShutdownGrace?.default))
  const concurrency = proxy.Concurrency?.properties ?? {}
  t.equal(settings.concurrency.underWay, concurrency.UnderWay?.default)
  t.equal(settings.concurrency.waiting, concurrency.Waiting?.default)
  t.equal(settings.concurrency.longestWait, 1000 * Number(concurrency.Wait?.default))
  const retry = proxy.Retry?.properties ?? {}
  t.equal(settings.retry.budget, 1000 * Number(retry.Budget?.default))
  t.equal(settings.retry.keptPerUpload, retry.KeepPerUpload?.default)
  t.equal(settings.retry.keptInAll, retry.KeepInAll?.default)
  t.equal(settings.deletionWait, 1000 * Number(proxy.DeletionWait?.default))
  const limits = proxy.Limits?.properties ?? {}
  t.equal(settings.limits.connections, limits.Connections?.default)
  t.equal(settings.limits.connectionsPerAddress, limits.ConnectionsPerAddress?.default)
  t.equal(settings.limits.headerBytes, limits.HeaderBytes?.default)
  t.equal(settings.limits.idleConnection, 1000 * Number(limits.IdleConnection?.default))
  t.equal(settings.limits.failedLogins, limits.FailedLogins?.default)
  t.equal(settings.limits.logLines, limits.LogLines?.default)
  t.equal(settings.outgoing.verifyPeers, schema.properties?.HttpsVerifyPeers?.default)
  t.equal(settings.verbose, schema.properties?.HttpVerbose?.default)
})
