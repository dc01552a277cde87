import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'
import { startHeldGoogle } from '../server/google.ts'

const slowLength = 1_000_000

// All of them saw that no place was taken yet, and then took all that there are.
t.test(
  'uploads that hardly send take no more than half of the places, when all have waited for the same token',
  async (t) => {
    const asked: ServerResponse[] = []
    const issuer = createServer((request, response) => void request.resume().on('end', () => asked.push(response)))
    const google = await startHeldGoogle(t)
    const { proxy, url } = await startServed(t, {
      baseUrl: google.baseUrl,
      google: { TokenUrl: await listenOn(t, issuer) },
      proxy: { Concurrency: { UnderWay: 8 } },
    })
    await eventually('the token is asked for', () => asked.length === 1)
    const port = Number(new URL(proxy.url).port)
    for (let count = 0; count < 20; count++) {
      const socket = connect(port, '127.0.0.1').on('error', () => {})
      t.teardown(() => socket.destroy())
      await once(socket, 'connect')
      socket.write(`POST /google/studies HTTP/1.1\r\nHost: x\r\nContent-Length: ${slowLength}\r\n\r\nx`)
    }
    // Behind them on another connection: when this one is answered, the proxy has read all of them.
    t.equal((await fetch(`${proxy.url}/nobody/studies`)).status, 404)
    const token = { access_token: 'ya29.synthetic', expires_in: 3600, token_type: 'Bearer' }
    asked[0]?.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(token))
    const isSlow = (length: string | undefined) => length === String(slowLength)
    const slow = () => google.open.filter(({ request }) => isSlow(request.headers['content-length'])).length
    await eventually('some of them are at Google', () => slow() > 0)
    const sending = fetch(`${url}studies`, { method: 'POST', body: Buffer.alloc(100_000) })
    await eventually('the upload is at Google', () => google.open.length > slow())
    t.ok(slow() <= 5, `${slow()} slow ones have a place`)
    const upload = google.open.findIndex(({ request }) => !isSlow(request.headers['content-length']))
    google.open.unshift(...google.open.splice(upload, 1))
    google.answer()
    t.equal((await sending).status, 200)
  },
)
