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

/** nginx sends the name of its `upstream` block as Host unless it is told otherwise. */
t.test('behind nginx, the refusal names the two lines that are missing', async (t) => {
  const upstream = 'dicomweb_proxy'
  const { proxy, log, reload } = await startServed(t)
  const ask = async (url: string | null, line: string, host: string) =>
    (await rawRequest(url ?? '', `${line} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).toString()
  for (const [url, line] of [
    [proxy.url, 'GET /google/studies'],
    [proxy.adminUrl, 'GET /api/status'],
  ] as const) {
    const refused = await ask(url, line, upstream)
    t.match(refused, /^HTTP\/1\.1 421 .*"code":"wrong-host"/s)
    const { detail } = JSON.parse(refused.slice(refused.indexOf('{')))
    t.match(detail, 'set PublicUrl')
    t.match(detail, 'proxy_set_header Host $host;')
  }
  t.match(
    log().find(({ code }) => code === 'wrong-host'),
    { level: 'warn', detail: /PublicUrl/ },
  )
  await reload({ proxy: { PublicUrl: 'https://pacs.example/google' } })
  t.match(await ask(proxy.url, 'GET /google/studies', 'pacs.example'), /^HTTP\/1\.1 200 /)
  t.match(await ask(proxy.url, 'GET /google/studies', 'pacs.example:8443'), /^HTTP\/1\.1 200 /, 'at any port')
  t.match(await ask(proxy.url, 'GET /google/studies', upstream), /^HTTP\/1\.1 421 /)
})
