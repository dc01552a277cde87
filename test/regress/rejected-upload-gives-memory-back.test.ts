// Seen: when Google rejected an upload before all of it had come (403), the memory of the instance
// that was arriving then counted as held for ever. After some such uploads, none of the account's
// was read any more.
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'
import { respondStored } from '../helpers/stored-response.ts'

const kiB = 1024

test('an upload that Google rejects on its way leaves its memory to others', async (t) => {
  let isAllowed = false
  const google = createServer(async (incoming, outgoing) => {
    const body = await buffer(incoming)
    if (isAllowed) respondStored(outgoing, body)
    else outgoing.writeHead(403, { 'content-length': 0 }).end()
  })
  const parallel = { Connections: 2, BatchBytes: 64 * kiB, MemoryBytes: 512 * kiB }
  const { url } = await startServed(t, {
    baseUrl: `${await listenOn(t, google)}/v1/`,
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: parallel },
    }),
  })
  const stow = stowOf([...syntheticStudy({ instances: 2, rows: 128, columns: 128 })])
  for (let upload = 0; upload < 4; upload += 1) {
    const sending = request(`${url}studies`, { method: 'POST', headers: stow.headers })
    sending.on('error', () => {})
    const response = once(sending, 'response') as Promise<[IncomingMessage]>
    sending.write(stow.body.subarray(0, Math.floor(stow.body.length * 0.75)))
    const [message] = await response
    t.equal(message.statusCode, 403)
    message.resume()
    sending.destroy()
  }
  isAllowed = true
  const response = await fetch(`${url}studies`, { ...stow, signal: AbortSignal.timeout(20_000) })
  t.equal(response.status, 200)
})
