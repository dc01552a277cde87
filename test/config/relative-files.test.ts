import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { readJson, startIssuer } from '../credentials/issuer.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { configuration, folder, load, problems } from './settings-of.ts'

/** A configuration in `etc`, started in `run`. */
const etc = (t: Parameters<typeof folder>[0], content: object, files: Record<string, string> = {}) => {
  const root = folder(t, { 'etc/orthanc.json': content, 'run/x': '', ...files })
  return { root, options: { path: '../etc/orthanc.json', workingDirectory: join(root, 'run') } }
}

test('a key file is looked for in the working directory, then beside the configuration', async (t) => {
  const issuer = await startIssuer(t)
  const key = JSON.stringify(await readJson(issuer.files.serviceAccountFile))
  const content = configuration()
  const { root, options } = etc(t, content, { 'etc/key.json': key })
  const [account] = (await load(t, content, options)).accounts
  const { source } = account?.credential ?? {}
  if (source?.kind !== 'service-account-file') throw new Error('no file')
  t.equal(await issuer.identityOf(await issuer.fetchToken(source)), issuer.files.serviceAccountEmail)

  await writeFile(join(root, 'run/key.json'), 'not JSON')
  t.match(await issuer.failure(source), `Credential file ${root}/run/key.json is not JSON`)

  await rename(join(root, 'etc/key.json'), join(root, 'elsewhere'))
  await rename(join(root, 'run/key.json'), join(root, 'elsewhere'))
  const missing = `Credential file ${root}/run/key.json does not exist, nor does ${root}/etc/key.json.`
  t.match(await issuer.failure(source), missing)
})

test('certificates, clients and the audit trail are looked for there, too', async (t) => {
  const { cert, key } = makeCertificate()
  const DicomWebProxy = {
    Tls: { Certificate: 'tls/server.pem', Key: 'tls/server.key' },
    ClientsFile: 'clients.json',
    Audit: { File: 'audit.log' },
  }
  const content = configuration({ DicomWebProxy, HttpsCACertificates: 'tls/server.pem' })
  const files = {
    'etc/tls/server.pem': cert,
    'etc/tls/server.key': key,
    'etc/clients.json': JSON.stringify({ viewer: { TokenDigest: `sha256:${'0'.repeat(64)}`, Admin: true } }),
  }
  const { root, options } = etc(t, content, files)
  const settings = await load(t, content, options)
  t.match(settings.tls, { certificate: `${root}/etc/tls/server.pem`, key: `${root}/etc/tls/server.key` })
  t.equal(settings.clients?.file, `${root}/etc/clients.json`)
  t.equal(settings.audit?.file, `${root}/run/audit.log`, 'a file to be written begins in the working directory')
  t.equal(settings.outgoing.certificateAuthorities?.length, 1)

  await mkdir(join(root, 'run/tls'))
  await writeFile(join(root, 'run/tls/server.pem'), cert)
  t.equal((await load(t, content, options)).tls?.certificate, `${root}/run/tls/server.pem`)
})

test('what is missing is missing in both folders, by name', async (t) => {
  const content = configuration({
    HttpsCACertificates: 'ca.pem',
    DicomWebProxy: { Tls: { Certificate: '/nowhere/server.pem', Key: 'server.key' }, ClientsFile: 'clients.json' },
  })
  const { root, options } = etc(t, content)
  const both = `does not exist in ${root}/run, nor in ${root}/etc; put it there, or correct the name`
  const found = await problems(() => load(t, content, options))
  t.same(
    new Set(found),
    new Set([
      `HttpsCACertificates: names a file that ${both}`,
      'DicomWebProxy.Tls.Certificate: names a file that does not exist; check the name, and the folder that the proxy is started in',
      `DicomWebProxy.Tls.Key: names a file that ${both}`,
      `: ${both}`,
    ]),
  )
})

test('a folder of files is beside itself', async (t) => {
  const root = folder(t, { 'etc/orthanc.json': configuration(), 'etc/key.json': '{}', 'run/x': '' })
  const options = { path: join(root, 'etc'), workingDirectory: join(root, 'run') }
  const { accounts } = await load(t, {}, options)
  t.match(accounts[0]?.credential.source, { file: `${root}/run/key.json`, otherFile: `${root}/etc/key.json` })
})
