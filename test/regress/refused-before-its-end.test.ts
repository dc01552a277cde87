/**
 * Seen: Google refuses a batch while its last bytes still wait in the socket, and keeps the
 * connection. Their memory was used again for the next upload: bytes of that one, another patient's
 * perhaps, went out in the body of the refused request.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { test } from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

/** Less than a socket takes before it has to be waited for. */
const length = 32 * 1024

const failure = '{"00081198":{"vr":"SQ","Value":[{"00081197":{"vr":"US","Value":[272]}}]}}'

function withBody(status: string, type: string, body: string): string {
  return `${status}\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}

const responses = [
  { response: '429 Too Many Requests\r\ncontent-length: 0\r\n\r\n', expected: 429 },
  { response: withBody('409 Conflict', 'application/dicom+json', failure), expected: 409 },
  { response: withBody('200 OK', 'application/dicom+json', failure), expected: 200 },
  // Not Google's: a page of something on the way.
  { response: withBody('200 OK', 'text/html', '<p>Log in'), expected: 502 },
]

for (const { response, expected } of responses) {
  const name = response.split('\r\n', 2).join(', ')
  test(`what waits in the socket of a refused batch stays what it is: ${name}`, async (t) => {
    const sockets: Socket[] = []
    const google = createServer((socket) => sockets.push(socket.on('error', () => {})))
    const endAll = () => {
      for (const socket of sockets) socket.destroy()
    }
    const connected = once(google, 'connection') as Promise<[Socket]>
    /** The proxy's ends of the connections, by request. What they are told to write waits in them. */
    const corked: Socket[] = []
    const onHeaders = (message: unknown) => {
      const { request, socket } = message as { request: { path: string }; socket: Socket }
      // The test's own requests are told of, too.
      if (!request.path.startsWith('/v1/')) return
      socket.cork()
      corked.push(socket)
    }
    subscribe('undici:client:sendHeaders', onHeaders)
    t.teardown(() => unsubscribe('undici:client:sendHeaders', onHeaders))
    const { url } = await startServed(t, {
      baseUrl: `${await listenOn(t, google)}/v1`,
      accounts: ({ serviceAccountFile }) => ({
        google: {
          ...demoAccount,
          ServiceAccountFile: serviceAccountFile,
          ParallelStow: { Connections: 1, BatchBytes: 65536, MemoryBytes: 1048576 },
        },
      }),
    })
    const upload = (content: string) => fetch(`${url}studies`, stowOf([{ bytes: Buffer.alloc(length, content) }]))

    const refused = upload('!')
    const [connection] = await connected
    t.teardown(endAll)
    await eventually('all of it waits in the socket', () => (corked[0]?.writableLength ?? 0) > length, 10_000)
    connection.write(`HTTP/1.1 ${response}`)
    t.equal((await refused).status, expected)

    const next = upload('~').catch(() => null)
    await eventually('the next upload is in memory', () => corked.length === 2, 10_000)
    const received: Buffer[] = []
    connection.on('data', (chunk) => received.push(chunk))
    for (const socket of corked) socket.uncork()
    const body = () => Buffer.concat(received).toString('latin1').split('\r\n--test-boundary--')[0] ?? ''
    await eventually('the first body', () => body().length < Buffer.concat(received).length, 10_000)
    const content = body().slice(-length)
    t.equal(content.replaceAll('!', ''), '', 'no byte of the next upload in the body of the refused one')
    endAll()
    await next
  })
}
