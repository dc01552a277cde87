import { createServer, type Socket } from 'node:net'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// An error response without Content-Length and chunks, as many servers and proxies send it, was 502
// upstream-invalid: its status was lost, and it was not retried. So was the 431 of a server whose
// parser refuses a long query.

const error = (status: number, body = 'no', more = '') =>
  `HTTP/1.1 ${status} No\r\n${more}Connection: close\r\n\r\n${body}`

t.test('an error that ends with its connection', async (t) => {
  /** What is sent to each request in turn; the last one again and again. */
  let responses: string[] = []
  let requests = 0
  /** Whether the body of an upload is read before. */
  let readsFirst = true
  const google = createServer((socket: Socket) => {
    socket.on('error', () => {})
    let received = ''
    const respond = () => {
      requests += 1
      socket.end((responses.length > 1 ? responses.shift() : responses[0]) ?? '')
    }
    socket.on('data', (chunk) => {
      const before = received
      received += chunk.toString('latin1')
      const isBegun = before.includes('\r\n\r\n')
      if (
        received.startsWith('GET') || !readsFirst
          ? !isBegun && received.includes('\r\n\r\n')
          : /\r\n0\r\n\r\n$/.test(received)
      ) {
        respond()
      }
    })
  })
  const baseUrl = await listenOn(t, google)
  const { url, log } = await startServed(t, { baseUrl, proxy: { Retry: { TotalTimeout: 0 } } })
  const upload = { method: 'POST', headers: { 'content-type': 'application/dicom' }, duplex: 'half' } as const
  const body = () =>
    new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('x'.repeat(100_000)))
        controller.close()
      },
    })
  const lines = () => log().filter(({ msg }) => msg === 'request')

  t.test('keeps its status and body', async (t) => {
    for (const status of [302, 400, 403, 404, 429, 431, 500, 503]) {
      responses = [error(status)]
      for (const init of [{}, { ...upload, body: body() }]) {
        const { length } = lines()
        const response = await fetch(`${url}studies`, { redirect: 'manual', ...init })
        t.equal(response.status, status)
        t.equal(await response.text(), 'no')
        await eventually('it is in the log', () => lines().length > length)
        t.match(lines().at(-1), { level: 'warn', status, code: undefined, detail: /\(\d\d\d\)|no|not/ })
      }
    }
  })

  t.test('also when it comes before the end of the upload', async (t) => {
    readsFirst = false
    responses = [error(403)]
    const response = await fetch(`${url}studies`, { ...upload, body: body() })
    t.equal(response.status, 403)
    t.equal(await response.text(), 'no')
    readsFirst = true
  })

  t.test('is a 401 as ever', async (t) => {
    responses = [error(401)]
    const response = await fetch(`${url}studies`)
    t.equal(response.status, 502)
    t.match(await response.json(), { code: 'token-rejected' })
  })

  t.test('but a success, or one in a coding of its own, is not', async (t) => {
    for (const bytes of [error(200), error(206), error(503, 'no', 'Transfer-Encoding: gzip\r\n')]) {
      responses = [bytes]
      const response = await fetch(`${url}studies`)
      t.equal(response.status, 502)
      t.match(await response.json(), { code: 'upstream-invalid' })
    }
  })

  t.test('is retried', async (t) => {
    const whole =
      'HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]'
    const retrying = await startServed(t, { baseUrl, proxy: { Retry: { TotalTimeout: 30 } } })
    for (const init of [{}, { ...upload, body: body() }]) {
      responses = [error(503), whole]
      requests = 0
      const response = await fetch(`${retrying.url}studies`, init)
      t.equal(response.status, 200)
      t.equal(await response.text(), '[]')
      t.equal(requests, 2)
    }
  })
})

t.test('a query that is too long for the server behind', async (t) => {
  const { createServer } = await import('node:http')
  const google = createServer({ maxHeaderSize: 8 * 1024 }, (_request, response) => response.end('[]'))
  const { url, log } = await startServed(t, { baseUrl: await listenOn(t, google) })
  const response = await fetch(`${url}studies?PatientID=${'1'.repeat(13_000)}`)
  t.equal(response.status, 431)
  await response.text()
  await eventually('it is in the log', () => log().some(({ msg }) => msg === 'request'))
  t.match(log().at(-1), {
    status: 431,
    detail:
      'The request line or the headers are longer than Google accepts (431). Shorten the query: ask for fewer attributes or UIDs at once.',
  })
})
