import t from 'tap'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed } from '../helpers/served.ts'

const ask = (rest: string, version = 'HTTP/1.1') => `GET /google/studies ${version}\r\n${rest}Connection: close\r\n\r\n`

// RFC 9112 3.2: such a request must be refused. Whoever stands before the proxy may read the other
// Host.
t.test('a request with two Hosts, or with one that is none, is refused', async (t) => {
  const { emulator, proxy } = await startServed(t)
  await (await fetch(`${proxy.url}/google/studies`)).text()
  emulator.clearLog()
  for (const hosts of [
    'Host: x\r\nHost: x\r\n',
    'Host: x\r\nHOST: y\r\n',
    ...['x/google/studies', 'a@b', 'x?y', 'x#y', 'x y', 'x:y', 'x:1:2', '[::1', 'x, y', 'http://x'].map(
      (host) => `Host: ${host}\r\n`,
    ),
  ]) {
    for (const version of ['HTTP/1.1', 'HTTP/1.0']) {
      const response = String(await rawRequest(proxy.url, ask(hosts, version)))
      t.match(response, /^HTTP\/1\.1 400 .*"code":"malformed-request"/s, hosts)
    }
  }
  t.same(emulator.log, [])
  for (const host of [
    'x',
    'x:1',
    'x:',
    '',
    '127.0.0.1:8043',
    '[::1]:8043',
    '[fe80::1%25eth0]',
    'my_proxy.local',
    'xn--mller-kva.example',
    'a%20b',
  ]) {
    // Those of other machines are well-formed, and refused for another reason.
    t.match(String(await rawRequest(proxy.url, ask(`Host: ${host}\r\n`))), /^HTTP\/1\.1 (200|421) /, host)
  }
  t.match(String(await rawRequest(proxy.url, ask('', 'HTTP/1.0'))), /^HTTP\/1\.1 200 /, 'HTTP/1.0 needs none')
})

// Node reads HTTP/0.9 and 2.0 request lines as if they were of HTTP/1.0.
t.test('another version of HTTP is refused', async (t) => {
  const { emulator, proxy } = await startServed(t)
  await (await fetch(`${proxy.url}/google/studies`)).text()
  emulator.clearLog()
  for (const line of ['GET /google/studies', 'GET /google/studies HTTP/0.9', 'GET /google/studies HTTP/2.0']) {
    t.match(
      String(await rawRequest(proxy.url, `${line}\r\nHost: x\r\n\r\n`)),
      /^HTTP\/1\.1 400 .*"code":"malformed-request"/s,
      line,
    )
  }
  t.same(emulator.log, [])
})
