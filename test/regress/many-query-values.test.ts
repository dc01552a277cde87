import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { startServed } from '../helpers/served.ts'

// A search with 3,800 short values which Google refused with a message stopped the whole proxy for
// 3 to 6 seconds: to keep the values out of the log, a regular expression was compiled for each.
t.test('a search with thousands of values that Google refuses is no standstill', async (t) => {
  const { url, proxy, emulator, log } = await startServed(t)
  for (const [at, status] of [401, 403, 408, 429, 500, 503].entries()) {
    // Others each time: the engine keeps expressions that it has compiled.
    const values = Array.from({ length: 3_800 }, (_, number) => (number + 4_000 * at).toString(36))
    const query = values.map((value) => `A=${value}`).join('&')
    const message = `PERMISSION_DENIED: Access refused: ${values.slice(0, 1_500).join(' ')}`
    const body = { error: { code: status, message, status: 'SOMETHING' } }
    emulator.faults.add({ target: 'QIDO-RS', status, body, times: status === 401 ? 2 : 1 })
    const response = fetch(`${url}studies?${query.slice(0, 15_000)}`)
    let isDone = false
    const text = response.then((response) => response.text()).finally(() => (isDone = true))
    let longest = 0
    while (!isDone) {
      const askedAt = performance.now()
      const health = await fetch(`${proxy.adminUrl}/healthz`)
      longest = Math.max(longest, performance.now() - askedAt)
      if (health.status !== 200) t.fail('not healthy')
    }
    await text
    t.equal((await response).status, status === 401 ? 502 : status)
    const lines = () => log().filter(({ msg }) => msg === 'request')
    await eventually('the log has it', () => lines().length === at + 1)
    t.equal(lines().at(-1)?.googleMessage, 'PERMISSION_DENIED: Access refused: …')
    t.ok(longest < 2_000, `no standstill: ${Math.round(longest)} ms`)
  }
})
