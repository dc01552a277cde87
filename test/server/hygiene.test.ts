import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed, stowOf } from '../helpers/served.ts'

const foreign = {
  authorization: 'Basic bWFsaWNlOm1hbGljZQ==',
  cookie: 'session=malice',
  forwarded: 'for=malice',
  'x-forwarded-for': 'malice',
  'x-forwarded-host': 'malice',
  'x-goog-user-project': 'malice',
  'x-goog-api-key': 'malice',
  'x-http-method-override': 'DELETE',
  'proxy-authorization': 'Basic malice',
  // Its own: that of another page is refused.
  origin: 'http://localhost',
  referer: 'https://malice.example',
  te: 'trailers',
  'user-agent': 'malice',
}

t.test('no header of the client beyond the allowed ones reaches Google', async (t) => {
  const { emulator, proxy } = await startServed(t)
  const head = Object.entries(foreign).map(([name, value]) => `${name}: ${value}\r\n`)
  const ask = (first: string, rest: string) =>
    rawRequest(
      proxy.url,
      `${first} HTTP/1.1\r\nHost: localhost\r\n${head.join('')}Connection: close, authorization\r\n${rest}`,
    )
  await ask('GET /google/studies', 'Accept: application/dicom+json\r\n\r\n')
  await ask('POST /google/studies', 'Content-Type: application/dicom\r\nContent-Length: 1\r\n\r\nx')
  const reached = emulator.log.filter(({ target }) => target.includes('/dicomWeb/'))
  t.equal(reached.length, 2)
  for (const { rawHeaders, headers } of reached) {
    t.notMatch(JSON.stringify(rawHeaders), /malice/)
    t.equal(headers.origin, undefined)
    t.match(headers.authorization, /^Bearer ya29\./, 'the token of the proxy')
    t.match(headers['user-agent'], /^gcp-dicomweb-proxy\//)
    t.equal(rawHeaders.filter((name) => /^authorization$/i.test(name)).length, 1)
  }
  t.match(reached[0]?.headers, { accept: 'application/dicom+json' })
  t.match(reached[1]?.headers, { 'content-type': 'application/dicom', 'content-length': '1' })
})

t.test('no header of Google beyond the allowed ones reaches the client', async (t) => {
  const { emulator, url } = await startServed(t)
  const headers = {
    'set-cookie': 'a=b',
    'alt-svc': 'h3=":443"',
    'x-debug': 'yes',
    'proxy-authenticate': 'Basic',
    etag: '"e"',
  }
  emulator.faults.add({ target: 'QIDO-RS', status: 200, body: '[]', headers })
  const response = await fetch(`${url}studies`)
  t.equal(response.status, 200)
  t.same([...response.headers.keys()].sort(), [
    'connection',
    'content-security-policy',
    'content-type',
    'cross-origin-resource-policy',
    'date',
    'etag',
    'keep-alive',
    'transfer-encoding',
    'vary',
    'x-content-type-options',
  ])
})

t.test('the quota project is that of the configuration', async (t) => {
  const accounts = (files: { serviceAccountFile: string }) => ({
    billed: {
      ...{ Project: 'demo', Location: 'europe-west4', Dataset: 'imaging', DicomStore: 'demo' },
      ServiceAccountFile: files.serviceAccountFile,
      QuotaProject: 'demo',
    },
  })
  const { emulator, proxy } = await startServed(t, { accounts })
  await (await fetch(`${proxy.url}/billed/studies`)).text()
  t.equal(emulator.log.at(-1)?.headers['x-goog-user-project'], 'demo')
  await (await fetch(`${proxy.url}/google/studies`)).text()
  t.equal(emulator.log.at(-1)?.headers['x-goog-user-project'], undefined)
})

const refused: readonly [why: string, request: string, status: number, code: string | null][] = [
  ['an unknown account', 'GET /nobody/studies HTTP/1.1\r\n', 404, 'unknown-account'],
  ['no account', 'GET / HTTP/1.1\r\n', 404, 'unknown-account'],
  ['no resource', 'GET /google/patients HTTP/1.1\r\n', 404, 'not-dicomweb'],
  ['an API beside DICOMweb', 'GET /google/../../fhirStores HTTP/1.1\r\n', 400, 'malformed-request'],
  ['an encoded way out', 'GET /google/studies/%2e%2e/%2e%2e/x HTTP/1.1\r\n', 400, 'malformed-request'],
  ['an encoded slash', 'GET /google/studies%2F1.2 HTTP/1.1\r\n', 400, 'malformed-request'],
  ['a malformed encoding', 'GET /%zz/studies HTTP/1.1\r\n', 400, 'malformed-request'],
  ['an absolute form', 'GET http://elsewhere/google/studies HTTP/1.1\r\n', 400, 'malformed-request'],
  ['an asterisk', 'OPTIONS * HTTP/1.1\r\n', 400, 'malformed-request'],
  ['a method without meaning', 'PATCH /google/studies HTTP/1.1\r\n', 405, 'method-not-allowed'],
  ['TRACE', 'TRACE /google/studies HTTP/1.1\r\n', 405, 'method-not-allowed'],
  [
    'an upgrade',
    'GET /google/studies/x HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n',
    400,
    'malformed-request',
  ],
  ['a body on GET', 'GET /google/studies HTTP/1.1\r\nContent-Length: 1\r\n\r\nx', 400, 'body-not-allowed'],
  [
    'a body on DELETE',
    'DELETE /google/studies/1.2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n',
    400,
    'body-not-allowed',
  ],
  [
    'another coding',
    'POST /google/studies HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n',
    400,
    'malformed-request',
  ],
  [
    'two framings',
    'POST /google/studies HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n',
    400,
    'malformed-request',
  ],
  ['a token in the query', 'GET /google/studies?access_token=secret HTTP/1.1\r\n', 400, 'query-not-allowed'],
  ['another API in the query', 'GET /google/studies?$.xgafv=2 HTTP/1.1\r\n', 400, 'query-not-allowed'],
  ['too much of a head', `GET /google/studies?PatientName=${'A'.repeat(20_000)} HTTP/1.1\r\n`, 431, 'header-too-large'],
  ['no Host', 'GET /google/studies HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'malformed-request'],
  ['no HTTP', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n', 400, 'malformed-request'],
]

t.test('what is refused says why, and never reaches Google', async (t) => {
  const { emulator, proxy } = await startServed(t)
  await (await fetch(`${proxy.url}/google/studies`)).text()
  emulator.clearLog()
  for (const [why, request, status, code] of refused) {
    const text = request.includes('\r\n\r\n')
      ? `${request}\r\n`
      : `${request}Host: localhost\r\nConnection: close\r\n\r\n`
    const whole =
      text.includes('Host:') || why === 'no Host'
        ? text
        : text.replace('\r\n', '\r\nHost: localhost\r\nConnection: close\r\n')
    const response = String(await rawRequest(proxy.url, whole))
    t.equal(Number(response.split(' ')[1]), status, why)
    t.match(response, /content-type: application\/problem\+json/)
    t.match(response, /proxy-status: gcp-dicomweb-proxy; error=\w+; details="/)
    t.match(JSON.parse(response.slice(response.indexOf('\r\n\r\n'))), {
      status,
      code,
      requestId: /^[0-9a-f-]{36}$/,
      attempts: 0,
    })
  }
  t.same(emulator.log, [])
})

t.test('what comes after a refused body is not taken for a request', async (t) => {
  const { emulator, proxy } = await startServed(t)
  const smuggled = 'GET /google/instances HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const requests = [
    `DELETE /google/studies/1.2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    `GET /google/studies/1.2/metadata HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
  ]
  const response = String(await rawRequest(proxy.url, requests.join('')))
  t.same(
    [...response.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status),
    ['400', '404'],
  )
  t.same(
    emulator.log.filter(({ target }) => target.includes('/dicomWeb/')).map(({ target }) => target.split('/').at(-1)),
    ['metadata'],
  )
})

t.test('a service that the account does not offer', async (t) => {
  const accounts = (files: { serviceAccountFile: string }) => ({
    archive: {
      ...{ Project: 'demo', Location: 'europe-west4', Dataset: 'imaging', DicomStore: 'demo' },
      ServiceAccountFile: files.serviceAccountFile,
      Access: ['STOW-RS', 'QIDO-RS'],
    },
  })
  const { proxy } = await startServed(t, { accounts })
  const archive = `${proxy.url}/archive`
  const [instance] = syntheticStudy({ instances: 1 })
  if (!instance) throw new Error('No instance')
  t.equal((await fetch(`${archive}/studies`, stowOf([instance]))).status, 200)
  t.equal((await fetch(`${archive}/studies`)).status, 200)
  const study = `${archive}/studies/${instance.studyInstanceUid}`
  for (const [service, method] of [
    ['WADO-RS', 'GET'],
    ['DELETE', 'DELETE'],
  ]) {
    const response = await fetch(study, method ? { method } : {})
    t.equal(response.status, 403)
    t.match(await response.json(), {
      code: 'service-not-allowed',
      account: 'archive',
      detail: new RegExp(`^${service} `),
    })
  }
})

t.test('the log tells each request without identifiers', async (t) => {
  const { url, log } = await startServed(t)
  await (await fetch(`${url}studies/1.2.345.6789/series?PatientName=Secret^Name`)).text()
  await (await fetch(`${url}studies?PatientName=Secret^Name&bogus=Secret`)).text()
  const requests = log().filter(({ msg }) => msg === 'request')
  t.match(requests, [
    {
      account: 'google',
      service: 'QIDO-RS',
      route: '/studies/{study}/series',
      status: 204,
      attempts: 1,
      address: '127.0.0.1',
    },
    {
      account: 'google',
      service: 'QIDO-RS',
      route: '/studies',
      status: 400,
      code: 'query-not-allowed',
      layer: 'client',
    },
  ])
  t.notMatch(JSON.stringify(log()), /1\.2\.345|Secret|ya29/)
})

t.test('an unreadable request is logged under the id that its response names', async (t) => {
  const { proxy, log } = await startServed(t)
  const response = String(await rawRequest(proxy.url, 'BOGUS\r\n\r\n'))
  const { requestId } = JSON.parse(response.slice(response.indexOf('\r\n\r\n')))
  t.match(
    log().filter(({ msg }) => msg === 'request'),
    [{ requestId, status: 400, code: 'malformed-request', address: '127.0.0.1' }],
  )
})

t.test('an expectation that nobody knows is no reason to refuse', async (t) => {
  const { proxy } = await startServed(t)
  const head = 'GET /google/studies HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: miracles\r\n\r\n'
  t.match(String(await rawRequest(proxy.url, head)), /^HTTP\/1.1 200 /)
})
