import t from 'tap'
import { dicomWebServices } from '../../src/config/settings.ts'
import { hashOf } from '../helpers/clients.ts'
import { makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { needsOrthanc } from '../helpers/orthanc.ts'
import { everyService } from './every-service.ts'
import { sendAway, uploadStudy } from './exchange.ts'
import { type Proxied, serviceAccount, startProxied } from './proxied.ts'

const password = 'correct: horse, battéry'
const accounts = { google: { credential: serviceAccount } }

function toStore({ emulator }: Proxied) {
  return emulator.log.filter(({ target }) => target.includes('/dicomStores/'))
}

t.test('a real Orthanc logs in by password', needsOrthanc(), async (t) => {
  const Clients = {
    orthanc: { PasswordHash: hashOf(password), Accounts: { google: dicomWebServices } },
    reader: { PasswordHash: hashOf(password), Accounts: { google: ['QIDO-RS', 'WADO-RS'] } },
  }
  const login = { Username: 'orthanc', Password: password }
  const proxied = await startProxied(t, {
    accounts,
    proxy: { Clients },
    servers: {
      chunked: { account: 'google', entry: login },
      whole: { account: 'google', entry: { ...login, ChunkedTransfers: '0' } },
      reader: { account: 'google', entry: { ...login, Username: 'reader' } },
      wrong: { account: 'google', entry: { ...login, Password: 'wrong' } },
    },
  })
  const { orthanc, emulator } = proxied
  await everyService(t, { orthanc, emulator, chunked: 'chunked', whole: 'whole', proxied: true })
  t.same([...new Set(toStore(proxied).map(({ status }) => status))].sort(), [200, 204])
  t.notMatch(JSON.stringify(toStore(proxied)), Buffer.from(`orthanc:${password}`).toString('base64'))

  const study = await sendAway(t, orthanc, 'chunked', { seed: 5, instances: 1 })
  t.equal((await orthanc.rest.qido('reader', '/studies')).length, 1)
  emulator.clearLog()
  await t.rejects(orthanc.rest.deleteRemote('reader', { study: study.studyInstanceUid }), {
    message: /Bad credentials/,
  })
  const { id } = await uploadStudy(orthanc, { seed: 6, instances: 1 })
  for (const server of ['reader', 'wrong', 'google']) {
    t.match(await orthanc.rest.stow(server, [id]), { state: 'Failure', errorDescription: 'Bad credentials' }, server)
  }
  await t.rejects(orthanc.rest.qido('wrong', '/studies'))
  t.same(toStore(proxied), [], 'nothing of it reached Google')
})

const needed = { ...needsOrthanc(), ...needsOpenssl() }

t.test('a real Orthanc logs in by client certificate, over TLS', needed, async (t) => {
  const authority = makeAuthority(t)
  const server = authority.issue()
  const client = authority.issue({ usage: 'clientAuth', subject: '/O=Hospital/CN=orthanc' })
  const nobody = authority.issue({ usage: 'clientAuth', subject: '/O=Hospital/CN=nobody' })
  const unknown = makeAuthority(t).issue({ usage: 'clientAuth', subject: '/O=Hospital/CN=orthanc' })
  const certificate = (identity: typeof client) => {
    return { CertificateFile: identity.certificate, CertificateKeyFile: identity.key, CertificateKeyPassword: '' }
  }
  const proxied = await startProxied(t, {
    accounts,
    proxy: {
      Tls: { Certificate: server.certificate, Key: server.key, ClientAuthorities: authority.certificate },
      Clients: { orthanc: { CertificateSubject: 'CN=orthanc,O=Hospital', Accounts: { google: dicomWebServices } } },
    },
    configuration: { HttpsCACertificates: authority.certificate },
    servers: {
      chunked: { account: 'google', entry: certificate(client) },
      whole: { account: 'google', entry: { ...certificate(client), ChunkedTransfers: '0' } },
      nobody: { account: 'google', entry: certificate(nobody) },
      unknown: { account: 'google', entry: certificate(unknown) },
    },
  })
  const { orthanc, emulator } = proxied
  await everyService(t, { orthanc, emulator, chunked: 'chunked', whole: 'whole', proxied: true })
  t.same([...new Set(toStore(proxied).map(({ status }) => status))].sort(), [200, 204])
  emulator.clearLog()
  const { id } = await uploadStudy(orthanc, { seed: 7, instances: 1 })
  for (const server of ['nobody', 'unknown', 'google']) {
    t.match(await orthanc.rest.stow(server, [id]), { state: 'Failure', errorDescription: 'Bad credentials' }, server)
  }
  t.same(toStore(proxied), [], 'nothing of it reached Google')
})
