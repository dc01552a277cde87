import { request } from 'node:http'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { startServed } from '../helpers/served.ts'

// The request stayed, and with it its slot at Google, until the issuer responded or timed out: a
// minute by default.
t.test('a client that leaves while its request waits for a token ends that wait', async (t) => {
  for (const method of ['GET', 'POST']) {
    const { emulator, url, log } = await startServed(t)
    await (await fetch(`${url}studies`)).text()
    emulator.revokeTokens()
    emulator.faults.add({ target: 'token', hang: true })
    const waiting = request(`${url}studies`, { method }).on('error', () => {})
    waiting.end(method === 'POST' ? 'x' : undefined)
    await eventually('a new token is asked for', () => emulator.tokenRequests.total === 2)
    waiting.destroy()
    const lines = () => log().filter(({ msg, abortedBy }) => msg === 'request' && abortedBy)
    await eventually('the log says so', () => lines().length === 1, 2_000)
    t.match(lines(), [{ method, status: null, abortedBy: 'client', attempts: 1 }])
  }
})
