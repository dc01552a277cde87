import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { retrieve, stow } from '../../bench/load/body.ts'
import { searchPaced } from '../../bench/load/paced.ts'
import { repeat } from '../../bench/load/repeat.ts'
import { retrieveSlowly } from '../../bench/load/slow.ts'
import { listenOn } from '../helpers/listen.ts'

test('latency counts from when a request was due: a late one delays all that follow', async (t) => {
  // Needs 20 ms for each, one after the other, and has 10 ms.
  const server = createServer(async (_, response) => {
    await delay(20)
    response.end('[]')
  })
  const url = `${await listenOn(t, server)}/`
  const [latencies = []] = await searchPaced([{ url, headers: {} }], { rate: 100, seconds: 0.5, connections: 1 })
  t.equal(latencies.length, 50)
  t.ok((latencies.at(-1) ?? 0) > 300, `the last: ${latencies.at(-1)} ms`)
})

test('two entrances take turns, each at the pace, and one without responses does not hold up the other', async (t) => {
  const order: string[] = []
  const quick = await listenOn(
    t,
    createServer((_, response) => {
      order.push('quick')
      response.end('[]')
    }),
  )
  const slow = await listenOn(
    t,
    createServer(async (_, response) => {
      order.push('slow')
      await delay(200)
      response.end('[]')
    }),
  )
  const entrances = [quick, slow].map((url) => ({ url: `${url}/`, headers: {} }))
  const [quickOnes = [], slowOnes = []] = await searchPaced(entrances, { rate: 50, seconds: 0.4, connections: 20 })
  t.equal(quickOnes.length, 20)
  t.ok(slowOnes.length === 20 && slowOnes.every((latency) => latency >= 199))
  const firstOnes = order.slice(40, 50)
  t.ok(firstOnes.includes('quick') && firstOnes.includes('slow'), `${firstOnes}`)
  t.ok(Math.min(...quickOnes) < 100, `${quickOnes}`)
})

test('as often and as many at once as asked for', async (t) => {
  let [now, most] = [0, 0]
  const numbers: number[] = []
  await repeat({ times: 7, atOnce: 3 }, async (number) => {
    numbers.push(number)
    most = Math.max(most, ++now)
    await delay(1)
    now -= 1
  })
  t.same(numbers, [0, 1, 2, 3, 4, 5, 6])
  t.equal(most, 3)
})

test('a body that is too short is an error, and so is a refusal', async (t) => {
  const server = createServer((request, response) => {
    request.resume()
    response.statusCode = request.method === 'POST' ? 503 : 200
    response.end(request.method === 'POST' ? '{}' : 'short')
  })
  const entrance = { url: `${await listenOn(t, server)}/`, headers: {} }
  await t.rejects(retrieve(entrance, 6), { message: 'Of 6 bytes retrieved 5 came' })
  await t.rejects(retrieveSlowly(entrance, { clients: 1, bytes: 6, rate: 1e6 }), { message: /5 came/ })
  await t.rejects(stow(entrance, 6), { message: /503/ })
})

test('a slow client takes its time, however fast the server is', async (t) => {
  const bytes = 400_000
  const server = createServer((_, response) => response.end(Buffer.alloc(bytes)))
  const entrance = { url: `${await listenOn(t, server)}/`, headers: {} }
  const startedAt = performance.now()
  await retrieveSlowly(entrance, { clients: 2, bytes, rate: 1_000_000 })
  const took = performance.now() - startedAt
  t.ok(took > 390, `${took} ms`)
})
