import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import t from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

t.test('what is under way finishes, nothing new begins, idle connections end', async (t) => {
  const arrived = Promise.withResolvers<ServerResponse>()
  const google = createServer((_request, response) => arrived.resolve(response))
  const { proxy, url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  const asking = request(`${url}studies`).end()
  const response = await arrived.promise
  const closing = proxy.close()
  await t.rejects(fetch(`${url}studies`), { cause: { code: 'ECONNREFUSED' } })
  response.end('whole')
  const [answer] = (await once(asking, 'response')) as [IncomingMessage]
  t.equal(String(Buffer.concat(await answer.toArray())), 'whole')
  await closing
})
