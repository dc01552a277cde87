import t from 'tap'
import { needsOrthanc } from '../helpers/orthanc.ts'
import { fetchBack, sendAway } from './exchange.ts'
import { authorizedUser, serviceAccount, startProxied } from './proxied.ts'

const north = 'projects/demo/locations/europe-north1/datasets/north/dicomStores/north'
const south = 'projects/demo/locations/europe-southwest1/datasets/south/dicomStores/south'

t.test('two accounts with different credentials at once', needsOrthanc(), async (t) => {
  const { orthanc, emulator, credentials } = await startProxied(t, {
    emulator: { stores: [north, south] },
    accounts: {
      north: { store: north, credential: serviceAccount },
      south: { store: south, credential: authorizedUser },
    },
  })
  // With the other one's token, a request would be refused.
  emulator.grant(credentials.serviceAccountEmail, south, 'none')
  emulator.grant(credentials.authorizedUser.email, north, 'none')

  const [a, b] = await Promise.all([
    sendAway(t, orthanc, 'north', { seed: 1, instances: 20 }),
    sendAway(t, orthanc, 'south', { seed: 2, instances: 20 }),
  ])
  await Promise.all([
    fetchBack(t, orthanc, 'north', a.instances, 'instance'),
    fetchBack(t, orthanc, 'south', b.instances, 'instance'),
  ])

  t.match(await orthanc.rest.qido('north', '/studies'), [{ '0020000D': { Value: a.studyInstanceUid } }])
  t.match(await orthanc.rest.qido('south', '/studies'), [{ '0020000D': { Value: b.studyInstanceUid } }])
  t.match(emulator.tokenRequests, { 'jwt-bearer': 1, refresh_token: 1, total: 2 })
  const statuses = new Set(emulator.log.map(({ status }) => status))
  t.same([...statuses], [200])
})
