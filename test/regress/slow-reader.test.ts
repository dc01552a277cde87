import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// The minimum rate applied to bodies only: a client that read a little of a response now and then
// kept its slot at Google for ever.
for (const method of ['GET', 'POST']) {
  t.test(`${method}: a client that reads too slowly is cut off`, async (t) => {
    const google = createServer((asked, response) => {
      asked.resume()
      response.writeHead(200, { 'content-type': 'application/dicom' })
      const pump = () => {
        while (response.write(Buffer.alloc(65_536)));
      }
      response.on('drain', pump)
      pump()
    })
    const Timeouts = { Idle: 2, MinBodyRate: 400_000_000 }
    const { url, log } = await startServed(t, { baseUrl: await listenOn(t, google), proxy: { Timeouts } })
    const read = async (bytes: number) => {
      const asking = request(`${url}studies`, { method, agent: false }).end()
      t.teardown(() => asking.destroy())
      asking.on('error', () => {})
      const [response] = (await once(asking, 'response')) as [IncomingMessage]
      const timer = setInterval(() => response.read(bytes) ?? response.read(), 20)
      t.teardown(() => clearInterval(timer))
      response.on('error', () => {}).pause()
      return response
    }
    const slow = await read(60_000)
    await eventually('it is cut', () => slow.destroyed)
    t.match(
      log().findLast(({ msg }) => msg === 'request'),
      { status: 200, abortedBy: 'client' },
    )
  })
}
