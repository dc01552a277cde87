import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { syntheticStudy } from '../../../src/emulator/synthetic-study.ts'
import { eventually } from '../../helpers/eventually.ts'
import { listenOn } from '../../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../../helpers/served.ts'
import { respondStored } from '../../helpers/stored-response.ts'

const kiB = 1024
const connections = 4

test('no more connections than the account says, also when batches that rested go on', async (t) => {
  let open = 0
  let most = 0
  let requests = 0
  /** By their first instance. */
  const refused = new Set<string>()
  let repeated = 0
  let repeatedAtOnce = 0
  const google = createServer(async (incoming, outgoing) => {
    // What is searched for after a 500 is not there.
    if (incoming.method !== 'POST') return void outgoing.writeHead(204).end()
    open += 1
    most = Math.max(most, open)
    const body = await buffer(incoming)
    requests += 1
    const number = requests
    const name = /2\.25\.\d+/.exec(body.toString('latin1'))?.[0] ?? ''
    const comesAgain = refused.has(name)
    if (comesAgain) repeated += 1
    // They rest for a second or two, while others have their connections.
    const isRefused = !comesAgain && refused.size < 4 && number % 8 < 2
    if (isRefused) refused.add(name)
    else await delay(comesAgain ? 200 : 100)
    if (comesAgain) repeatedAtOnce = Math.max(repeatedAtOnce, open)
    open -= 1
    if (isRefused) outgoing.writeHead(500, { 'content-length': 0 }).end()
    else respondStored(outgoing, body)
  })
  const parallel = { Connections: connections, BatchBytes: 64 * kiB, MemoryBytes: 8192 * kiB }
  const { url } = await startServed(t, {
    baseUrl: `${await listenOn(t, google)}/v1/`,
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: parallel },
    }),
    proxy: { Retry: { TotalTimeout: 60 }, Concurrency: { MaxInFlight: 32 } },
  })
  const instances = [...syntheticStudy({ instances: 120, rows: 128, columns: 128 })]
  const response = await fetch(`${url}studies`, stowOf(instances))
  t.equal(response.status, 200)
  await response.body?.cancel()
  await eventually('none is open', () => open === 0)
  t.equal(repeated, 4, 'batches that came again')
  t.equal(repeatedAtOnce, connections, 'while all connections were in use')
  t.equal(most, connections)
})
