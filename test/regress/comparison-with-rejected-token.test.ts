/**
 * Seen on 2026-11-28: when Google rejected the token of a comparison (`OnDuplicate`), the proxy asked
 * again with the same token, up to three times; when it rejected the token of the search for what an
 * attempt without a response had stored, nothing was searched for, and all was sent again. And
 * comparisons took no slots: four for each batch in flight, with any `Concurrency`.
 */
import t, { type Test } from 'tap'
import { type SyntheticInstance, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

// They wait for another attempt beside each other.
t.jobs = 4

async function startVerifying(t: Test, Concurrency?: object) {
  const { emulator, url } = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      google: {
        ...demoAccount,
        ServiceAccountFile: serviceAccountFile,
        ParallelStow: { Connections: 4, BatchBytes: 65536, MemoryBytes: 1048576 },
        OnDuplicate: 'verify',
      },
    }),
    proxy: { Retry: { TotalTimeout: 30 }, ...(Concurrency && { Concurrency }) },
  })
  emulator.behave({ duplicates: 'refused' })
  const send = async (study: readonly SyntheticInstance[]) => {
    const response = await fetch(`${url}studies`, stowOf(study))
    return { status: response.status, text: await response.text() }
  }
  const sent = (method: string) =>
    emulator.log.filter((request) => request.method === method && request.target.includes('/studies'))
  return { emulator, send, sent }
}

const study = (instances: number) => [...syntheticStudy({ instances, rows: 64, columns: 64 })]

t.test('a comparison whose token Google rejects', async (t) => {
  const { emulator, send, sent } = await startVerifying(t)
  const [instance] = study(1) as [SyntheticInstance]
  t.equal((await send([instance])).status, 200)
  emulator.faults.add({ target: 'WADO-RS', times: 1, status: 401 })
  const { status, text } = await send([instance])
  t.equal(status, 200, text)
  const tokens = sent('GET').map(({ headers }) => headers.authorization)
  t.equal(tokens.length, 2)
  t.equal(new Set(tokens).size, 2, 'is made with a new one')
})

for (const status of [401, 503]) {
  t.test(`a search for what is stored that gets ${status}`, async (t) => {
    const { emulator, send, sent } = await startVerifying(t)
    emulator.faults.add({ target: 'STOW-RS', times: 1, lateReset: true })
    emulator.faults.add({ target: 'QIDO-RS', times: 1, status })
    t.equal((await send(study(1))).status, 200)
    t.equal(sent('POST').length, 1, 'nothing is sent again')
  })
}

t.test('comparisons take slots', async (t) => {
  const { emulator, send, sent } = await startVerifying(t, { MaxInFlight: 2 })
  const instances = study(40)
  t.equal((await send(instances)).status, 200)
  emulator.faults.add({ target: 'WADO-RS', delay: 20 })
  let busiest = 0
  const count = () => (busiest = Math.max(busiest, sent('GET').filter(({ status }) => status === undefined).length))
  const sampling = setInterval(count, 2)
  const { status } = await send(instances)
  clearInterval(sampling)
  t.equal(status, 200)
  t.equal(sent('GET').length, instances.length)
  t.equal(busiest, 2, 'as many as the account may have in flight')
})
