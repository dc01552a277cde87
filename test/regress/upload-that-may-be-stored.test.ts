import { createServer, type Socket } from 'node:net'
import t from 'tap'
import { connectFailure } from '../../src/forward/dial.ts'
import { upstreamFailure } from '../../src/forward/upstream-failure.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// An upload that Google had whole, and that may be stored, got a 502 that said to check firewall
// and BaseUrl, and nothing of what may be stored. A 409 that names the stored instances looked
// whole where a reset had cut it.

const success = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/dicom+json\r\n\r\n{}'
const conflict = 'HTTP/1.1 409 Conflict\r\nConnection: close\r\nContent-Type: application/dicom+xml\r\n\r\n<Native'

t.test('an upload that may be stored: search first', async (t) => {
  let respond: (socket: Socket) => void = (socket) => socket.end()
  const google = createServer((socket) => {
    socket.on('error', () => {})
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      if (received.endsWith('the whole body') || received.startsWith('GET')) respond(socket)
    })
  })
  const { url, log } = await startServed(t, {
    baseUrl: await listenOn(t, google),
    proxy: { Retry: { TotalTimeout: 0 } },
  })
  const upload = { method: 'POST', headers: { 'content-type': 'application/dicom' }, body: 'the whole body' }
  const cases: Record<string, [code: string, respond: (socket: Socket) => void]> = {
    'closed without a response': ['upstream-reset', (socket) => socket.end()],
    'not HTTP': ['upstream-invalid', (socket) => socket.end('garbage\r\n\r\n')],
    'a success that ends with its connection': ['upstream-invalid', (socket) => socket.end(success)],
    'a 409 that ends with its connection': ['upstream-invalid', (socket) => socket.end(conflict)],
    'a 409 that is reset': ['upstream-invalid', (socket) => socket.write(conflict, () => socket.resetAndDestroy())],
  }
  for (const [name, [expected, act]] of Object.entries(cases)) {
    respond = act
    const response = await fetch(`${url}studies`, upload)
    const { code, detail } = (await response.json()) as Record<string, string>
    t.same([response.status, code], [502, expected], name)
    t.match(detail, /\. Search before you resend: some instances may be stored\. (Check|Try|Send) /, name)
    if (name.startsWith('a 409')) continue
    const search = await fetch(`${url}studies`)
    t.notMatch(await search.json(), { detail: /Search before/ }, `${name}, to a search`)
  }

  t.comment('cut within')
  respond = (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{', () => socket.end())
  }
  await t.rejects(fetch(`${url}studies`, upload).then((response) => response.text()))
  await eventually('it is in the log', () =>
    log().some(({ detail }) => /cut short.* Search before/.test(String(detail))),
  )
})

t.test('an established connection that times out in the system is not one that was never made', async (t) => {
  const timedOut = Object.assign(new Error('read ETIMEDOUT'), { code: 'ETIMEDOUT' })
  t.match(upstreamFailure(timedOut), { code: 'upstream-timeout', message: /did not respond in time/ })
  t.match(upstreamFailure(connectFailure(timedOut)), {
    code: 'upstream-unreachable',
    message: /no connection was made in time \(ERR_CONNECT_TIMEOUT\)/,
  })
})
