import { readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { harnessOf, register, serve } from '../e2e/registering.ts'
import { eventually } from '../helpers/eventually.ts'
import { makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { needsOrthanc, startOrthanc } from '../helpers/orthanc.ts'

const needed = { ...needsOrthanc(), ...needsOpenssl() }

interface Given {
  /** Keys of `DicomWebProxy.Orthanc`; null for none. */
  readonly kept?: object | null
}

/**
 * An Orthanc whose entry logs in by client certificate, as docs/clients.md has it, and the proxy
 * for it.
 */
async function open(t: Test, { kept = null }: Given = {}) {
  const harness = await harnessOf(t)
  const authority = makeAuthority(t)
  const server = authority.issue()
  const { certificate: CertificateFile, key: CertificateKeyFile } = authority.issue({
    usage: 'clientAuth',
    subject: '/O=Hospital/CN=orthanc',
  })
  const own = { CertificateFile, CertificateKeyFile }
  const configuration = { HttpsCACertificates: authority.certificate }
  const orthanc = await startOrthanc(t, { configuration })
  const port = await freePort()
  const Url = `https://127.0.0.1:${port}/my-google/`
  await orthanc.rest.putServer('my-google', { Url, ...own, CertificateKeyPassword: '' })
  const config = await harness.configuration({
    proxy: {
      Listen: `127.0.0.1:${port}`,
      Tls: {
        Certificate: server.certificate,
        Key: server.key,
        ClientAuthorities: authority.certificate,
        RequireClientCertificate: true,
      },
      Clients: {
        orthanc: { CertificateSubject: 'CN=orthanc,O=Hospital', Accounts: { 'my-google': ['STOW-RS', 'QIDO-RS'] } },
      },
      ...(kept && { Orthanc: { Url: orthanc.url, Interval: 1, ...kept } }),
    },
  })
  const search = () => orthanc.rest.qido('my-google', '/studies')
  return { harness, orthanc, config, own, search, to: ['-c', config, '--orthanc', orthanc.url] }
}

// Orthanc shows the certificate of an entry, but never its key. `register` wrote the entry back
// without the key, and said that it was as it should be: from then on, every transfer failed.
t.test('register', needed, async (t) => {
  const { orthanc, config, own, search, to } = await open(t)
  serve(t, config)
  await eventually('the proxy serves', async () => (await search().catch(() => null)) !== null)

  await t.test('leaves an entry whose key it would lose', async (t) => {
    const before = await orthanc.rest.serverEntries()
    const { stdout, code } = await register(to)
    t.equal(code, 7)
    t.match(stdout, /✗ Write my-google .*CertificateKeyFile.*Timeout: .* -> 600.*\n +→ [A-Z].*--client-key/)
    t.same(await orthanc.rest.serverEntries(), before)
    t.same(await search(), [])
  })

  await t.test('writes it whole where it gets the key’s name, with the rights of its client', async (t) => {
    const login = ['--client', 'orthanc', '--client-certificate', own.CertificateFile]
    const { stdout, code } = await register([...to, ...login, '--client-key', own.CertificateKeyFile])
    t.equal(code, 0)
    t.match(stdout, /✓ Search through my-google/)
    t.match((await orthanc.rest.serverEntries())['my-google'], { HasDelete: '0', Timeout: 600 })
    t.same(await search(), [])
  })

  await t.test('keeps one that is right, without a warning, and searches through it', async (t) => {
    const { stdout, stderr, code } = await register(to)
    t.equal(code, 0)
    t.match(stdout, /keep my-google\n✓ Search through my-google .*\nNothing had to be changed/)
    t.notMatch(stdout + stderr, /no login/)
    t.same(await search(), [])
  })
})

t.test('the proxy that registers itself', needed, async (t) => {
  const { harness, orthanc, config, own, search } = await open(t, { kept: {} })
  const before = await orthanc.rest.serverEntries()
  const proxy = serve(t, config)
  const left = 'left an entry in Orthanc as it is'
  await eventually('leaves it, too, and says so', () => proxy.count(left) > 0)
  t.match(
    proxy.lines().find(({ msg }) => msg === left),
    { level: 'warn', account: 'my-google', code: 'login-hidden', problem: /CertificateKeyFile/, remedy: /ClientKey/ },
  )
  t.same(await orthanc.rest.serverEntries(), before)
  t.same(await search(), [])
  t.equal(proxy.count('registered in Orthanc'), 0)

  const content = JSON.parse(await readFile(config, 'utf8'))
  const files = { ClientCertificate: own.CertificateFile, ClientKey: own.CertificateKeyFile }
  content.DicomWebProxy.Orthanc = { Url: orthanc.url, Interval: 1, Client: 'orthanc', ...files }
  await harness.write('orthanc.json', content)
  proxy.child.kill('SIGHUP')
  await eventually('registers with a certificate that is named', () => proxy.count('registered in Orthanc') > 0)
  t.match((await orthanc.rest.serverEntries())['my-google'], { HasDelete: '0', Timeout: 600 })
  t.same(await search(), [])
  t.equal(proxy.count('Orthanc is registered without a login; set DicomWebProxy.Orthanc.Client'), 0)
})
