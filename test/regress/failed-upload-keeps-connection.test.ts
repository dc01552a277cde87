import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request } from 'node:http'
import t from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// When an upload had failed, the connection to Google reported its end once more, and that stopped
// the reading of what the client still sent: its connection stayed busy for ever, and shutting down
// had to wait for it.
t.test('after an upload that failed the connection serves the next request', async (t) => {
  let reading = false
  const google = createServer((request, response) => {
    if (reading) request.resume().on('end', () => response.end('stored'))
  })
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google), proxy: { Timeouts: { Idle: 1 } } })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const send = async () => {
    const sending = request(`${url}studies`, { method: 'POST', agent, signal: AbortSignal.timeout(5_000) })
    sending.end(Buffer.alloc(32 * 1024 * 1024))
    const [response] = (await once(sending, 'response')) as [IncomingMessage]
    await response.resume().toArray()
    if (!sending.writableFinished) await once(sending, 'finish')
    return response.statusCode
  }
  t.equal(await send(), 504)
  reading = true
  t.equal(await send(), 200)
})
