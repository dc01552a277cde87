import t from 'tap'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed } from '../helpers/served.ts'

/** A request line, a Host and so many other headers, the framing last. */
function requestWith(count: number, start: string, last: readonly string[] = []): string {
  const fixed = ['Host: localhost', 'Connection: close']
  const others = Array.from({ length: count - fixed.length - last.length }, (_, at) => `a${at}:1`)
  return `${start} HTTP/1.1\r\n${[...fixed, ...others, ...last].join('\r\n')}\r\n\r\n`
}

// Before 24.18.1, Node dropped all headers after the thousandth, and framed the body by them
// (CVE-2026-58044): a body on a DELETE passed, and a Content-Type vanished. Later ones, which the
// program needs, refuse the request; the proxy said of it that Limits.HeaderBytes was exceeded.
t.test('a request of more headers than Node shows by itself', async (t) => {
  const { proxy, emulator } = await startServed(t)
  const study = '/google/studies/1.2.3'
  const chunks = '5\r\nhello\r\n0\r\n\r\n'
  const hidden: Record<string, string> = {
    'a chunked body on a DELETE': requestWith(1001, `DELETE ${study}`, ['Transfer-Encoding: chunked']) + chunks,
    'a chunked body on a GET': requestWith(1400, `GET ${study}/series`, ['Transfer-Encoding: chunked']) + chunks,
    'a length on a DELETE': `${requestWith(1001, `DELETE ${study}`, ['Content-Length: 5'])}hello`,
    'a Content-Type on an upload': `${requestWith(1002, 'POST /google/studies', ['Content-Length: 5', 'Content-Type: multipart/related'])}hello`,
    'nothing at all': requestWith(1001, 'GET /google/studies'),
  }
  for (const [what, bytes] of Object.entries(hidden)) {
    const response = String(await rawRequest(proxy.url, bytes))
    t.match(response, /^HTTP\/1\.1 431 .*"code":"header-too-large"/s, what)
    t.match(
      response,
      /more than 1000 headers\. Shorten the query, or send fewer headers/,
      `${what}: the limit is named`,
    )
  }
  t.same(
    emulator.log.filter(({ target }) => target.includes('/dicomWeb/')),
    [],
    'none of them reached Google',
  )
  t.match(String(await rawRequest(proxy.url, requestWith(1000, 'GET /google/studies'))), /^HTTP\/1\.1 200 /)
})
