import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { digestOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { parsePrometheusText, sumOf } from '../helpers/prometheus-text.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

const study = [...syntheticStudy({ instances: 2, seed: 1 })]
const failed = 'gcp_dicomweb_proxy_requests_failed_total'

interface Account {
  name: string
  state: string
  failures: { kind: string; times: number; status: number | null; detail?: string; instancesWarned?: number }[]
}

t.test('what says something about an account, and what only about a request', async (t) => {
  const authorization = 'Bearer a-token'
  const all = ['STOW-RS', 'QIDO-RS', 'WADO-RS', 'DELETE']
  const Clients = { orthanc: { TokenDigest: digestOf('a-token'), Accounts: { google: all, reading: all } } }
  const served = await startServed(t, {
    proxy: { Clients },
    accounts: ({ serviceAccountFile }) => ({
      reading: { ...demoAccount, ServiceAccountFile: serviceAccountFile, Access: ['QIDO-RS'] },
    }),
  })
  const { emulator, proxy, url } = served
  let asked = 0
  const ask = async (address: string, init: RequestInit = {}) => {
    await (await fetch(address, { ...init, headers: { authorization, ...init.headers } })).arrayBuffer()
    asked += 1
  }
  const look = async () => {
    await eventually('all are in the log', () => served.log().filter(({ msg }) => msg === 'request').length === asked)
    const { accounts } = (await (await fetch(`${proxy.adminUrl}/api/status`)).json()) as { accounts: Account[] }
    const metrics = parsePrometheusText(await (await fetch(`${proxy.adminUrl}/metrics`)).text())
    const of = (name: string) => accounts.find((account) => account.name === name)
    return { of, failed: (labels: object) => sumOf(metrics, failed, { ...labels }) }
  }
  await eventually('there is a token', async () => (await fetch(`${proxy.adminUrl}/readyz`)).ok)
  const nothing = await look()
  t.match(nothing.of('google'), { state: 'unused', failures: [] })
  t.equal(nothing.failed({ account: 'reading', service: 'QIDO-RS' }), 0, 'the series begin at 0')

  await ask(`${url}studies`, stowOf(study))
  t.match((await look()).of('google'), { state: 'working' })

  // What clients get wrong.
  await ask(`${url}studies?bogus=1`)
  await ask(`${url}nothing`)
  await ask(`${proxy.url}/nobody/studies`)
  await ask(`${url}studies`, { headers: { authorization: 'Bearer another' } })
  await ask(`${proxy.url}/reading/studies`, stowOf(study))
  for (let number = 0; number < 8; number++) await ask(`${url}studies/1.2.${number}/metadata`)
  emulator.faults.add({ target: 'WADO-RS', status: 406, times: 1 })
  await ask(`${url}studies/1.2.3`)
  const mistakes = await look()
  t.match(mistakes.of('google')?.state, 'working', 'nothing of it is the account’s fault')
  t.match(mistakes.of('reading')?.state, 'unused')
  t.equal(mistakes.failed({}), 0)
  t.same(new Set(mistakes.of('google')?.failures.map(({ kind }) => kind)), new Set(['rejected']))
  t.equal(mistakes.of('google')?.failures.find(({ status }) => status === 404)?.times, 8, 'counted, not only listed')

  // What is not as it should be, though nothing failed.
  emulator.faults.add({
    target: 'QIDO-RS',
    status: 200,
    headers: { warning: '299 - "incomplete"' },
    body: [],
    times: 1,
  })
  await ask(`${url}studies`)
  const doubtful = await look()
  t.match(doubtful.of('google'), {
    state: 'troubled',
    failures: [{ kind: 'doubtful', status: 200, detail: /has a Warning header/ }],
  })
  t.equal(doubtful.failed({}), 0)

  // What fails whoever asks, and however.
  emulator.faults.add({ target: 'QIDO-RS', status: 404, times: 2 })
  await ask(`${proxy.url}/reading/studies`)
  await ask(`${proxy.url}/reading/studies`)
  emulator.faults.add({ target: 'STOW-RS', status: 409, times: 2 })
  await ask(`${url}studies`, stowOf(study))
  await ask(`${url}studies`, stowOf(study))
  const failures = await look()
  t.equal(failures.failed({ account: 'reading', service: 'QIDO-RS' }), 2, 'the store is gone')
  t.equal(failures.failed({ account: 'google', service: 'STOW-RS' }), 2, 'nothing of an upload was stored')
  t.match(failures.of('reading'), { state: 'failing' })
  t.match(failures.of('google'), { failures: [{ kind: 'failed', status: 409, times: 2 }] })
})

t.test('errors of clients don’t push out what an account is judged by', async (t) => {
  const served = await startServed(t)
  served.emulator.faults.add({ target: 'QIDO-RS', status: 500, times: 1 })
  await (await fetch(`${served.url}studies`)).text()
  for (const status of [400, 404, 406, 409, 412]) {
    served.emulator.faults.add({ target: 'WADO-RS', status, times: 5 })
    for (const path of ['', '/metadata', '/series/1.4.5', '/series/1.4.5/metadata', '/rendered'])
      await (await fetch(`${served.url}studies/1.2.3${path}`)).text()
  }
  await eventually('all are in the log', () => served.log().filter(({ msg }) => msg === 'request').length === 26)
  const { accounts } = (await (await fetch(`${served.proxy.adminUrl}/api/status`)).json()) as { accounts: Account[] }
  t.equal(accounts[0]?.failures.length, 21)
  t.match(accounts[0]?.failures.at(-1), { kind: 'failed', status: 500 })
  t.match(accounts[0]?.failures[0], { kind: 'rejected', times: 1 })
})
