import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { defaultAdminListen, readAdminAddress } from '../../src/config/admin-address.ts'
import { schemaDefault } from '../../src/config/schema.ts'

const folder = t.testdir({})

async function addressFor(source: string | null, adminListen?: string, environment = {}) {
  const path = source === null ? undefined : 'orthanc.json'
  if (source !== null) await writeFile(join(folder, 'orthanc.json'), source)
  const { url, problems } = await readAdminAddress({ path, adminListen, environment, workingDirectory: folder })
  return problems.length === 0 ? url : { url, problem: `${problems[0]?.path}: ${problems[0]?.problem}` }
}

t.test('the default is the schema’s', async (t) => {
  t.equal(defaultAdminListen, schemaDefault('DicomWebProxy', 'AdminListen'))
  t.equal(await addressFor(null), 'http://127.0.0.1:8044')
  t.equal(await addressFor('{}'), 'http://127.0.0.1:8044')
})

t.test('an address of this machine, with TLS only where other machines reach the listener', async (t) => {
  for (const [adminListen, plain, secure] of [
    ['127.0.0.1:9', 'http://127.0.0.1:9', 'http://127.0.0.1:9'],
    ['localhost:9', 'http://127.0.0.1:9', 'http://127.0.0.1:9'],
    ['[::1]:9', 'http://[::1]:9', 'http://[::1]:9'],
    ['0.0.0.0:9', 'http://127.0.0.1:9', 'https://127.0.0.1:9'],
    ['[::]:9', 'http://[::1]:9', 'https://[::1]:9'],
    ['10.1.2.3:9', 'http://10.1.2.3:9', 'https://10.1.2.3:9'],
    ['[fd00::1]:9', 'http://[fd00::1]:9', 'https://[fd00::1]:9'],
    ['pacs.hospital.example:9', 'http://pacs.hospital.example:9', 'https://pacs.hospital.example:9'],
  ] as const) {
    const configured = (more: object) => JSON.stringify({ DicomWebProxy: { AdminListen: adminListen, ...more } })
    const Tls = { Certificate: 'server.pem', Key: 'server.key' }
    t.equal(await addressFor(configured({})), plain, adminListen)
    t.equal(await addressFor(configured({ Tls })), secure, adminListen)
    t.equal(await addressFor(configured({ Tls: { Enabled: false, ...Tls } })), plain, adminListen)
    t.equal(await addressFor('{}', adminListen), plain, 'from the command line')
  }
  t.equal(
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the proxy replaces it
    await addressFor('{ "DicomWebProxy": { "AdminListen": "127.0.0.1:${PORT}" } }', undefined, { PORT: '7' }),
    'http://127.0.0.1:7',
  )
})

t.test('as far as the configuration can be read', async (t) => {
  t.match(await addressFor('{ "DicomWebProxy": { "AdminListen": "127.0.0.1:9" }, "HttpTimeout": }'), {
    url: 'http://127.0.0.1:9',
    problem: /not valid JSON/,
  })
  const broken = { AdminListen: '127.0.0.1:9', Tls: { Certificate: 'missing.pem' }, Lisen: 7 }
  t.equal(await addressFor(JSON.stringify({ DicomWebProxy: broken })), 'http://127.0.0.1:9')
  t.match(await readAdminAddress({ path: 'none', adminListen: undefined, environment: {}, workingDirectory: folder }), {
    url: 'http://127.0.0.1:8044',
    problems: [{ file: 'none', problem: 'does not exist' }],
  })
})

t.test('no address: turned off, nonsense, or a port that only the system knows', async (t) => {
  t.equal(await addressFor('{ "DicomWebProxy": { "AdminListen": null } }'), null)
  t.match(await addressFor('{ "DicomWebProxy": { "AdminListen": "8044" } }'), {
    url: null,
    problem: /must be host:port/,
  })
  t.match(await addressFor('{}', '127.0.0.1:0'), { url: null, problem: /AdminListen: leaves the port to the system/ })
})
