import t from 'tap'
import { needsOrthanc } from '../helpers/orthanc.ts'
import { everyService } from './every-service.ts'
import { sendAway } from './exchange.ts'
import { serviceAccount, startProxied } from './proxied.ts'

// Orthanc's HTTP library, libcurl, speaks HTTP/2 where the proxy does.
for (const http2 of [false, true])
  t.test(`a real Orthanc, the proxy, and the emulator${http2 ? ', over HTTP/2' : ''}`, needsOrthanc(), async (t) => {
    // What Orthanc itself could send to log in, it sends: none of it may come through to Google.
    const ownLogin = { Username: 'synthetic', Password: 'basic-password' }
    const { orthanc, emulator, versions } = await startProxied(t, {
      http2,
      accounts: { chunked: { credential: serviceAccount } },
      servers: { whole: { account: 'chunked', entry: { ChunkedTransfers: '0', ...ownLogin } } },
    })

    await everyService(t, { orthanc, emulator, chunked: 'chunked', whole: 'whole', proxied: true })

    const toStore = emulator.log.filter(({ target }) => target.includes('/dicomStores/'))
    t.ok(toStore.length > 10)
    t.same([...new Set(toStore.map(({ status }) => status))].sort(), [200, 204], 'Google found nothing wrong')
    const logins = new Set(toStore.map(({ headers }) => headers.authorization))
    t.equal(logins.size, 1, 'one token for all requests')
    t.match([...logins][0], /^Bearer ya29\./)
    t.equal(emulator.tokenRequests.total, 1)
    t.equal(versions.has('2'), http2)
  })

t.test('an account that may not delete', needsOrthanc(), async (t) => {
  const { orthanc, emulator } = await startProxied(t, {
    accounts: { reader: { credential: (files) => ({ ...serviceAccount(files), Access: ['QIDO-RS', 'WADO-RS'] }) } },
  })
  t.same(await orthanc.rest.qido('reader', '/studies'), [])
  await t.rejects(orthanc.rest.deleteRemote('reader', { study: '2.25.1' }), { message: /Bad credentials/ })
  t.same(
    emulator.log.filter(({ method }) => method === 'DELETE'),
    [],
    'the request ended at the proxy',
  )
})

t.test('how Orthanc takes the ends of a deletion', needsOrthanc(), async (t) => {
  const { orthanc, emulator } = await startProxied(t, { accounts: { google: { credential: serviceAccount } } })
  const { studyInstanceUid: study } = await sendAway(t, orthanc, 'google', { seed: 1, instances: 1 })
  emulator.failOperations({ error: { code: 9, message: 'held' } })
  await t.rejects(orthanc.rest.deleteRemote('google', { study }), 'deletion-failed is a failure')
  t.equal((await orthanc.rest.qido('google', '/studies')).length, 1)
  emulator.failOperations({})
  emulator.faults.add({ target: 'operation', status: 403 })
  // The response is 202: in progress, as with Google's own 200.
  await orthanc.rest.deleteRemote('google', { study })
  await emulator.finishOperations()
  t.same(await orthanc.rest.qido('google', '/studies'), [])
})
