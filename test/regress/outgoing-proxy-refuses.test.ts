import { connect as connectTo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { makeCertificate } from '../helpers/certificate.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// To any response of an outgoing proxy to CONNECT, the advice was: check user name and password. A
// 407 was tried again for 45 seconds, which may lock an account.

const remedies: Record<string, RegExp> = {
  '407 Proxy Authentication Required': /Check HttpProxy, its user name and its password\.$/,
  '403 Forbidden': /Ask the administrator of the outgoing proxy \(HttpProxy\) to allow CONNECT to this address\.$/,
  '404 Not Found': /Check HttpProxy, and the outgoing proxy's log\.$/,
  '502 Bad Gateway': /Try again later, and check whether the outgoing proxy reaches this address/,
  '503 Service Unavailable': /Try again later, and check whether the outgoing proxy reaches this address/,
  '504 Gateway Timeout': /Try again later, and check whether the outgoing proxy reaches this address/,
}

t.test('an outgoing proxy that refuses is told by its status', async (t) => {
  let refusal: string | null = null
  let refused = 0
  const outgoing = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.once('data', (head) => {
      if (refusal) {
        refused += 1
        return socket.end(`HTTP/1.1 ${refusal}\r\nContent-Length: 0\r\n\r\n`)
      }
      const port = Number(/^CONNECT [^:]+:(\d+) /.exec(String(head))?.[1])
      const upstream = connectTo(port, '127.0.0.1', () => {
        // Any 2xx is a way through (RFC 9110 9.3.6); 200 alone was taken for one.
        socket.write('HTTP/1.1 204 No Content\r\n\r\n')
        socket.pipe(upstream).pipe(socket)
      })
      upstream.on('error', () => socket.destroy())
      socket.on('close', () => upstream.destroy())
    })
  })
  const HttpProxy = (await listenOn(t, outgoing)).replace('http://', 'http://user:hunter2@')
  const tls = makeCertificate()
  const HttpsCACertificates = join(t.testdir({ 'ca.pem': tls.authority }), 'ca.pem')
  for (const [status, remedy] of Object.entries(remedies)) {
    refusal = null
    const { url, log } = await startServed(t, {
      emulator: { tls },
      top: { HttpProxy, HttpsCACertificates },
      proxy: { Retry: { TotalTimeout: 3 } },
    })
    await eventually('there is a token', () => log().some(({ msg }) => msg === 'access token fetched'))
    refusal = status
    refused = 0
    for (const init of [{}, { method: 'POST', headers: { 'content-type': 'application/dicom' }, body: 'x' }]) {
      const response = await fetch(`${url}studies`, init)
      const { code, detail } = (await response.json()) as Record<string, string>
      t.same([response.status, code], [502, 'upstream-unreachable'], status)
      t.match(detail, `the outgoing proxy refused the connection (status ${status.slice(0, 3)})`)
      t.match(detail, remedy)
      if (!status.startsWith('407')) t.notMatch(detail, /password/)
    }
    t.equal(refused, status.startsWith('4') ? 2 : 4, `${status}: attempts`)
    t.notMatch(JSON.stringify(log()), /hunter2/)
  }
})

t.test('and so is one that refuses the token endpoint', async (t) => {
  const outgoing = createServer((socket: Socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n'))
  })
  const tls = makeCertificate()
  const top = {
    HttpProxy: await listenOn(t, outgoing),
    HttpsCACertificates: join(t.testdir({ 'ca.pem': tls.authority }), 'ca.pem'),
  }
  const { log } = await startServed(t, { emulator: { tls }, top })
  await eventually('there is no token', () => log().some(({ msg }) => msg === 'no access token'))
  t.match(
    log().find(({ msg }) => msg === 'no access token')?.reason,
    /refused the connection \(status 403\).*allow CONNECT/,
  )
})
