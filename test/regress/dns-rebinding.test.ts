import t from 'tap'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed } from '../helpers/served.ts'

/**
 * A page of the web whose own name pointed to 127.0.0.1 could read and delete images, and see the
 * status.
 */
t.test('where nobody logs in, a request must name this machine', async (t) => {
  const { proxy, emulator } = await startServed(t, { proxy: { PublicUrl: 'https://pacs.example/google' } })
  const ask = async (url: string | null, line: string, host: string) =>
    (await rawRequest(url ?? '', `${line} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).toString()
  for (const host of ['evil.example:8043', '127.0.0.1.evil.example', 'localhost.evil.example', 'evil']) {
    t.match(await ask(proxy.url, 'DELETE /google/studies/1.2.3', host), /^HTTP\/1\.1 421 .*"code":"wrong-host"/s, host)
    t.match(await ask(proxy.adminUrl, 'GET /api/status', host), /^HTTP\/1\.1 421 /, host)
  }
  t.same(
    emulator.log.filter(({ target }) => target.includes('dicomWeb')),
    [],
  )
  for (const host of ['localhost', '127.0.0.1:1', '[::1]:8043', 'LOCALHOST:8043', '192.0.2.1', 'pacs.example']) {
    t.match(await ask(proxy.url, 'GET /google/studies', host), /^HTTP\/1\.1 200 /, host)
    t.match(await ask(proxy.adminUrl, 'GET /api/status', host), /^HTTP\/1\.1 200 /, host)
  }
})
