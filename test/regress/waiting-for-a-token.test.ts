import { once } from 'node:events'
import { request } from 'node:http'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { type Served, startServed } from '../helpers/served.ts'

/**
 * A request that waited for a token kept its place when its client had left, and the proxy from
 * ending.
 */
t.test('a client that waits for a token may leave, and the proxy may shut down', async (t) => {
  const served = await startServed(t, { proxy: { ShutdownGrace: 10 } })
  const { emulator, url, proxy, log } = served
  await eventually('a token', () => log().some(({ msg }) => msg === 'access token fetched'))
  emulator.faults.add({ target: 'token', hang: true })
  emulator.revokeTokens()
  const leaving = Array.from({ length: 5 }, () =>
    request(`${url}studies`, { agent: false })
      .on('error', () => {})
      .end(),
  )
  await Promise.all(leaving.map((one) => once(one, 'finish')))
  const asked = () => emulator.log.filter(({ target }) => target === '/token').length
  await eventually('a fresh token is asked for', () => asked() === 2)
  const staying = fetch(`${url}studies`)
  for (const one of leaving) one.destroy()
  const lines = () => log().filter(({ msg }) => msg === 'request')
  await eventually('those that left have their lines', () => lines().length === 5)
  t.ok(lines().every(({ abortedBy }) => abortedBy === 'client'))
  t.equal(await inFlight(served), 0)
  const before = performance.now()
  t.equal(await proxy.close(), 0)
  t.ok(performance.now() - before < 5_000, 'nobody waits for the grace')
  t.match(await (await staying).json(), { status: 503, code: 'shutting-down' })
  t.equal(lines().length, 6)
})

async function inFlight({ proxy }: Served): Promise<number> {
  const status = (await (await fetch(`${proxy.adminUrl}/api/status`)).json()) as {
    accounts: { limiters: Record<string, { inFlight: number }> }[]
  }
  return status.accounts[0]?.limiters['QIDO-RS']?.inFlight ?? Number.NaN
}
