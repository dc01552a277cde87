import { test } from 'tap'
import { isolationHeaders, outgoingHeaders, returnedHeaders } from '../../src/guard/headers.ts'

test('what goes to Google of a client’s headers', (t) => {
  const passed = {
    accept: 'multipart/related; type="application/dicom"; transfer-syntax=*',
    'accept-charset': 'utf-8',
    'accept-encoding': 'gzip',
    'accept-language': 'de',
    'cache-control': 'no-cache',
    'content-encoding': 'gzip',
    'content-language': 'de',
    'content-length': '12',
    'content-type': 'multipart/related; type="application/dicom"; boundary=b',
    'if-match': '"a"',
    'if-modified-since': 'Mon, 23 Nov 2026 00:00:00 GMT',
    'if-none-match': '"a", "b"',
    'if-range': '"a"',
    'if-unmodified-since': 'Mon, 23 Nov 2026 00:00:00 GMT',
    range: 'bytes=0-99',
  }
  const kept = {
    authorization: 'Bearer client',
    'proxy-authorization': 'Basic client',
    cookie: 'session=1',
    forwarded: 'for=10.0.0.1',
    'x-forwarded-for': '10.0.0.1',
    'x-forwarded-host': 'pacs',
    'x-forwarded-proto': 'http',
    'x-real-ip': '10.0.0.1',
    via: '1.1 a',
    host: 'pacs:8043',
    origin: 'http://pacs',
    referer: 'http://pacs/',
    'user-agent': 'Orthanc',
    connection: 'keep-alive, content-type',
    'keep-alive': 'timeout=5',
    te: 'trailers',
    trailer: 'x-checksum',
    'transfer-encoding': 'chunked',
    upgrade: 'h2c',
    'http2-settings': 'AAMAAABk',
    'proxy-connection': 'keep-alive',
    expect: '100-continue',
    'x-goog-user-project': 'other',
    'x-goog-api-key': 'key',
    'x-goog-iam-authority-selector': 'x',
    'x-http-method-override': 'DELETE',
    'x-original-url': '/b/studies',
    traceparent: '00-1-1-01',
    'content-location': '/x',
    'set-cookie': ['a=1'],
    'x-anything': 'x',
  }
  t.same(outgoingHeaders({ ...kept, ...passed }, 'QIDO-RS'), passed)
  t.same(outgoingHeaders(kept, 'QIDO-RS'), {})
  t.end()
})

test('what goes to the client of Google’s headers', (t) => {
  const passed = {
    'accept-ranges': 'bytes',
    age: '1',
    'cache-control': 'private',
    'content-disposition': 'attachment',
    'content-encoding': 'gzip',
    'content-language': 'en',
    'content-length': '12',
    'content-location': '/x',
    'content-range': 'bytes 0-99/100',
    'content-type': 'application/dicom+json',
    date: 'Mon, 23 Nov 2026 00:00:00 GMT',
    etag: '"a"',
    expires: '0',
    'last-modified': 'Mon, 23 Nov 2026 00:00:00 GMT',
    pragma: 'no-cache',
    'retry-after': '3',
    vary: 'Origin, X-Origin',
    warning: '299 - "Coerced"',
  }
  const kept = {
    'set-cookie': ['NID=1', 'x=2'],
    'www-authenticate': 'Bearer realm="https://accounts.google.com/"',
    'proxy-authenticate': 'Basic',
    'authentication-info': 'x',
    server: 'ESF',
    'alt-svc': 'h3=":443"',
    'strict-transport-security': 'max-age=1',
    'access-control-allow-origin': '*',
    location: 'https://healthcare.googleapis.com/v1/x',
    'x-goog-trace': 'x',
    connection: 'close',
    'keep-alive': 'timeout=5',
    'transfer-encoding': 'chunked',
    trailer: 'x',
    upgrade: 'h2c',
    'clear-site-data': '"*"',
    'x-anything': 'x',
  }
  t.same(returnedHeaders({ ...kept, ...passed }), { ...passed, ...isolationHeaders })
  t.same(returnedHeaders(kept), { ...isolationHeaders, vary: 'Origin' })
  t.end()
})

test('a response always varies with the page that it is for', (t) => {
  for (const [vary, expected] of [
    [undefined, 'Origin'],
    ['', 'Origin'],
    ['*', '*'],
    ['Accept', 'Accept, Origin'],
    ['X-Origin, Referer', 'X-Origin, Referer, Origin'],
    ['X-Origin,origin', 'X-Origin,origin'],
  ] as const) {
    t.equal(returnedHeaders({ vary }).vary, expected)
  }
  t.end()
})

test('a header that came twice is one list, one that is not there is none', (t) => {
  t.same(returnedHeaders({ vary: ['Origin', 'X-Origin'], etag: undefined }), {
    vary: 'Origin, X-Origin',
    ...isolationHeaders,
  })
  t.same(outgoingHeaders({ accept: '' }, 'QIDO-RS'), { accept: '' })
  t.end()
})
