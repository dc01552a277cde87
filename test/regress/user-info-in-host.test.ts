import t from 'tap'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed } from '../helpers/served.ts'

// The admin listener took `Host: evil@127.0.0.1` for this machine: a URL parser read what is no
// Host (RFC 9110 7.2) as a name and an address behind it.
t.test('a Host with more in it than a host is not one of this machine', async (t) => {
  const { proxy } = await startServed(t)
  const ask = async (url: string | null, path: string, host: string) =>
    String(await rawRequest(url ?? '', `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`))
  for (const host of [
    'evil@127.0.0.1',
    'evil:pw@127.0.0.1:8044',
    '@127.0.0.1',
    '127.0.0.1/evil',
    '127.0.0.1?evil',
    '127.0.0.1#evil',
    '127.0.0.1\\evil',
    '127.0.0.1\t',
    '127.0.0.1, evil',
    'http://127.0.0.1',
    '//127.0.0.1',
    '127.0.0.1:8044:1',
  ].filter((host) => host.trim() === host)) {
    t.match(await ask(proxy.adminUrl, '/api/status', host), /^HTTP\/1\.1 421 .*"code":"wrong-host"/s, host)
    t.match(await ask(proxy.url, '/google/studies', host), /^HTTP\/1\.1 400 .*"code":"malformed-request"/s, host)
  }
})
