// Twenty uploads that failed in an outage, all alike, pushed out of an account's last failures the
// study of which Google had stored a part only: the one that somebody has to look after.
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { startServed, stowOf } from '../helpers/served.ts'

interface Failure {
  kind: string
  times: number
  status: number
  requestId: string
}

t.test('failures that are alike are kept once, and counted', async (t) => {
  const { url, proxy, emulator, log } = await startServed(t)
  const [one, other] = [1, 2].map((seed) => [...syntheticStudy({ instances: 1, seed })])
  const store = async (path: string, study = one ?? []) => (await fetch(url + path, stowOf(study))).text()
  await store(`studies/${one?.[0]?.studyInstanceUid}`, [...(one ?? []), ...(other ?? [])])
  emulator.faults.add({ target: 'STOW-RS', status: 503 })
  for (let number = 0; number < 25; number++) await store('studies')
  const requests = () => log().filter(({ msg }) => msg === 'request')
  await eventually('all are in the log', () => requests().length === 26)
  const { accounts } = (await (await fetch(`${proxy.adminUrl}/api/status`)).json()) as {
    accounts: { failures: Failure[] }[]
  }
  t.match(accounts[0]?.failures, [
    { kind: 'failed', status: 503, times: 25, requestId: requests().at(-1)?.requestId },
    { kind: 'incomplete', status: 409, times: 1 },
  ])
  t.equal(accounts[0]?.failures.length, 2)
})
