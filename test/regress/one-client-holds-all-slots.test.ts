import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { type Served, startServed } from '../helpers/served.ts'
import { startHeldGoogle } from '../server/google.ts'

// One client with as many long transfers as there are slots, each above the minimum rate, kept all
// others waiting until 503: 8 readers of 200 kB/s, or 8 senders of 1.8 kB/s.

const [greedy, others] = ['127.0.0.2', ['127.0.0.3', '127.0.0.4', '127.0.0.5']]
const proxy = { Concurrency: { MaxInFlight: 8, QueueTimeout: 2 } }

/** Responds at the end of a body; a retrieval of study 1 never ends. */
function respond(asked: IncomingMessage, response: ServerResponse): void {
  asked.resume()
  if (!asked.url?.endsWith('/studies/1')) {
    asked.once('end', () => response.writeHead(200, { 'content-length': '2' }).end('{}'))
    return
  }
  const pump = () => {
    while (response.write(Buffer.alloc(65_536)));
  }
  response.on('drain', pump)
  pump()
}

function ask(t: Test, url: string, localAddress: string, method = 'GET') {
  const asking = request(url, { method, localAddress, agent: false, headers: { 'content-type': 'application/dicom' } })
  t.teardown(() => asking.destroy())
  asking.on('error', () => {})
  return asking
}

async function statusOf(asking: ReturnType<typeof ask>): Promise<number | undefined> {
  const [response] = (await once(asking.end(), 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode
}

t.test('a client that reads eight long responses', async (t) => {
  const { url } = await startServed(t, { baseUrl: await listenOn(t, createServer(respond)), proxy })
  const reading = Array.from({ length: 8 }, () => ask(t, `${url}studies/1`, greedy).end())
  const responses = await Promise.all(
    reading.map(async (asking) => (await once(asking, 'response'))[0] as IncomingMessage),
  )
  const slowly = setInterval(() => {
    for (const response of responses) response.read(20_000)
  }, 100)
  t.teardown(() => clearInterval(slowly))
  for (const response of responses) response.on('error', () => {}).pause()
  for (const other of others) t.equal(await statusOf(ask(t, `${url}studies/2`, other)), 200, other)
  t.same(
    await Promise.all(others.map((other) => statusOf(ask(t, `${url}studies/2`, other)))),
    [200, 200, 200],
    'at once',
  )
  t.ok(
    responses.every(({ destroyed }) => !destroyed),
    'what is above the minimum rate goes on',
  )
})

t.test('a client that sends eight long bodies', async (t) => {
  const { url } = await startServed(t, { baseUrl: await listenOn(t, createServer(respond)), proxy })
  const sending = Array.from({ length: 8 }, () => ask(t, `${url}studies`, greedy, 'POST'))
  for (const one of sending) one.write(Buffer.alloc(20_000))
  const slowly = setInterval(() => {
    for (const one of sending) one.write(Buffer.alloc(180))
  }, 100)
  t.teardown(() => clearInterval(slowly))
  let ended = 0
  for (const one of sending) one.once('response', () => (ended += 1))
  for (const other of others) t.equal(await statusOf(ask(t, `${url}studies`, other, 'POST')), 200, other)
  t.equal(ended, 0, 'what is above the minimum rate goes on')
})

t.test('what becomes free goes to whoever has least', async (t) => {
  const google = await startHeldGoogle(t)
  const served = await startServed(t, { baseUrl: google.baseUrl, proxy: { Concurrency: { MaxInFlight: 4 } } })
  const { url } = served
  const send = (who: string) => statusOf(ask(t, `${url}studies?PatientID=${who}`, who))
  const having = (who: string) => google.open.filter(({ request }) => request.url?.endsWith(who)).length
  const has = (first: number, second: number) =>
    eventually(`they have ${first} and ${second}`, () => having(greedy) === first && having('127.0.0.3') === second)
  const first = Array.from({ length: 4 }, () => send(greedy))
  await google.reached(4)
  const more = Array.from({ length: 4 }, () => send(greedy))
  const second = [send('127.0.0.3')]
  await has(4, 1)
  second.push(send('127.0.0.3'), send('127.0.0.3'))
  await eventually('all others wait', async () => /"queued":6/.test(await status(served)))
  google.respond()
  await has(3, 1)
  google.respond()
  await has(2, 2)
  google.respond()
  await has(2, 2)
  t.equal(google.open.length, 4, 'no more than there are slots')
  const all = [...first, ...more, ...second]
  const end = setInterval(() => google.open.length > 0 && google.respond(), 5)
  t.teardown(() => clearInterval(end))
  t.same(new Set(await Promise.all(all)), new Set([200]))
})

async function status({ proxy }: Served): Promise<string> {
  return (await fetch(`${proxy.adminUrl}/api/status`)).text()
}
