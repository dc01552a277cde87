import { connect } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import t from 'tap'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { needsOrthanc, startOrthanc } from '../helpers/orthanc.ts'
import { harnessOf, register, sends, serve } from './registering.ts'

t.test('clients, passwords, https, and a client’s rights', needsOrthanc(), async (t) => {
  const harness = await harnessOf(t)
  const { authority, cert, key } = makeCertificate()
  const ca = await harness.write('orthanc-authority.pem', authority)
  const RegisteredUsers = { admin: 'orthanc pass:word' }
  const orthanc = await startOrthanc(t, { configuration: { AuthenticationEnabled: true, RegisteredUsers } })
  // Debian 12's Orthanc crashes at the first TLS connection, with any certificate: a TLS terminator
  // stands in front of it.
  const { port } = new URL(orthanc.url)
  const front = createTlsServer({ cert, key }, (socket) => {
    const onward = connect(Number(port), '127.0.0.1')
    const end = () => {
      socket.destroy()
      onward.destroy()
    }
    for (const side of [socket, onward]) side.on('error', () => undefined).on('close', end)
    socket.pipe(onward).pipe(socket)
  })
  const url = await listenOn(t, front)
  const Listen = `127.0.0.1:${await freePort()}`
  const rights = { 'my-google': ['STOW-RS', 'QIDO-RS'] }
  const Clients = { radiology: { PasswordHash: hashOf('client password'), Accounts: rights } }
  const config = await harness.configuration({ proxy: { Listen, Clients } })
  const to = ['-c', config, '--orthanc', url, '--user', 'admin', '--orthanc-ca', ca, '--client', 'radiology']

  const wrong = await register(to, { input: 'orthanc pass:word\nanother password\n' })
  t.equal(wrong.code, 2)
  t.match(wrong.stderr, /The client radiology has another password/)
  const none = await register(to)
  t.equal(none.code, 2)
  t.match(none.stderr, /The password of admin is missing/)

  const { stdout, stderr, code } = await register(to, { input: 'orthanc pass:word\nclient password\n' })
  t.equal(code, 0)
  t.notMatch(stdout + stderr, /pass:word|client password/)
  const entry = (await orthanc.rest.serverEntries())['my-google']
  t.match(entry, { Username: 'radiology', HasDelete: '0' })

  const environment = {
    GCP_DICOMWEB_PROXY_ORTHANC_PASSWORD: 'orthanc pass:word',
    GCP_DICOMWEB_PROXY_CLIENT_PASSWORD: 'client password',
  }
  const again = await register(to, { environment })
  t.equal(again.code, 0)
  t.match(again.stdout, /its password, which Orthanc does not show, will be written again/)
  t.same((await orthanc.rest.serverEntries())['my-google'], entry)

  serve(t, config)
  await eventually(
    'the proxy listens',
    async () => (await orthanc.rest.qido('my-google', '/studies').catch(() => null)) !== null,
  )
  await sends(t, orthanc.rest, harness, 2)

  const unknown = await register(['-c', config, '--orthanc', url])
  t.equal(unknown.code, 7)
  t.match(unknown.stdout, /not trusted .*\n +→ .*--orthanc-ca/)
})
