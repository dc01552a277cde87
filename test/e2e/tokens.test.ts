import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import type { Emulator } from '../../src/emulator/emulator.ts'
import { eventually } from '../helpers/eventually.ts'
import { needsOrthanc } from '../helpers/orthanc.ts'
import { fetchBack, sendAway, uploadStudy } from './exchange.ts'
import { serviceAccount, startProxied } from './proxied.ts'

const accounts = { google: { credential: serviceAccount } }

t.test('a token that expires is replaced before Google sees it', needsOrthanc(), async (t) => {
  const { orthanc, emulator } = await startProxied(t, { accounts, emulator: { tokenLifetime: 2 } })
  const study = await sendAway(t, orthanc, 'google', { instances: 2 })
  // Real time, as Google's clock and the proxy's are two.
  await delay(2100)
  await fetchBack(t, orthanc, 'google', study.instances)
  t.ok(tokensSeen(emulator).size > 1, 'more than one token')
  t.same(refusals(emulator), [], 'Google never saw an expired one')
})

t.test('a token that Google holds for expired though its time is not over', needsOrthanc(), async (t) => {
  const { orthanc, emulator } = await startProxied(t, { accounts })
  const study = await sendAway(t, orthanc, 'google', { instances: 2 })
  emulator.expireTokens()
  await fetchBack(t, orthanc, 'google', study.instances)
  t.equal(refusals(emulator).length, 1, 'one request was refused, and repeated')
  t.equal(emulator.tokenRequests.total, 2)
})

t.test('a token that is revoked in the middle of a retrieval', needsOrthanc(), async (t) => {
  const { orthanc, emulator } = await startProxied(t, { accounts })
  const study = await sendAway(t, orthanc, 'google', { instances: 40 })
  emulator.clearLog()
  // Slow enough for the middle not to be missed.
  emulator.faults.add({ target: 'WADO-RS', delay: 20 })
  const fetching = fetchBack(t, orthanc, 'google', study.instances, 'instance')
  await eventually('instances are on their way', () => emulator.log.length >= 5)
  emulator.revokeTokens()
  await fetching
  t.equal(emulator.log.filter(({ method, status }) => method === 'GET' && status === 200).length, 40)
  t.equal(refusals(emulator).length, 1)
  t.equal(emulator.tokenRequests.total, 2)
})

t.test('a token that is revoked before a small upload', needsOrthanc(), async (t) => {
  const { orthanc, emulator } = await startProxied(t, { accounts })
  t.same(await orthanc.rest.qido('google', '/studies'), [])
  emulator.revokeTokens()
  const study = await sendAway(t, orthanc, 'google', { instances: 2 })
  t.equal(refusals(emulator).length, 1, 'the upload was refused, and repeated')
  await fetchBack(t, orthanc, 'google', study.instances)
})

t.test('a token that is revoked before a large upload', needsOrthanc(), async (t) => {
  const { orthanc, emulator } = await startProxied(t, { accounts })
  t.same(await orthanc.rest.qido('google', '/studies'), [])
  const large = { instances: 40, rows: 512, columns: 512 }
  const { id } = await uploadStudy(orthanc, large)
  emulator.revokeTokens()
  // The proxy may have seen the refusal before too much had passed to be repeated: both ends are
  // right.
  const job = await orthanc.rest.stow('google', [id])
  t.match(job, job.state === 'Success' ? { errorCode: 0 } : { errorDescription: 'Error in the network protocol' })
  t.equal(refusals(emulator).length, 1)
  const study = await sendAway(t, orthanc, 'google', large)
  await fetchBack(t, orthanc, 'google', study.instances)
  t.equal(refusals(emulator).length, 1, 'the next one goes with a fresh token')
})

function refusals({ log }: Emulator): string[] {
  return log.filter(({ status }) => status === 401).map(({ method }) => method)
}

function tokensSeen({ log }: Emulator): Set<string> {
  const toStore = log.filter(({ target }) => target.includes('/dicomStores/'))
  return new Set(toStore.map(({ headers }) => headers.authorization ?? ''))
}
