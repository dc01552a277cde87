import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// Google responds to a search without matches with 204 and no body. Orthanc takes that for HTTP
// 400, "Bad file format".

interface Received {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

async function ask(url: string, accept: string | undefined, method = 'GET'): Promise<Received> {
  const sending = request(url, { method, ...(accept !== undefined && { headers: { accept } }) })
  sending.end()
  const [response] = await once(sending, 'response')
  return { status: response.statusCode, headers: response.headers, body: String(await buffer(response)) }
}

const takesJson = [
  undefined,
  '',
  '*/*',
  'application/*',
  'application/json',
  'application/dicom+json',
  'Application/DICOM+JSON ; charset=utf-8',
  'application/dicom+json;q=0.001',
  'multipart/related; type="application/dicom+xml", application/dicom+json;q=0.5',
  'text/html;note="a, application/dicom+json;q=0", */* ; q=0.1',
  // The more specific range counts (RFC 9110 12.5.1).
  '*/*;q=0, application/dicom+json',
  'application/*;q=0, application/json',
  'application/json;q=0, */*',
  ', ,application/dicom+json,',
  `${'text/x, '.repeat(1_000)}*/*`,
]
const takesNone = [
  'multipart/related; type="application/dicom+xml"',
  'application/dicom+xml',
  'application/dicom+json;q=0',
  'application/dicom+json; q=0.000, */*',
  'application/*;q=0, */*',
  '*/*;q=0',
  'application/jsonp',
  'text/html;note="*/*"',
  'text/html;note=",*/*,"',
  `${'text/x;q="'.repeat(1_000)}*/*`,
]

t.test('a search that finds nothing', async (t) => {
  const { url, emulator, proxy, log } = await startServed(t)
  const searches = ['studies', 'series', 'instances', 'studies/1.2.3/series', 'studies?limit=1&offset=1000']

  t.test('is an empty array for who takes JSON', async (t) => {
    for (const accept of takesJson) {
      const { status, headers, body } = await ask(`${url}studies`, accept)
      t.same([status, body], [200, '[]'], accept?.slice(0, 80) ?? 'no Accept')
      t.match(headers, { 'content-type': 'application/dicom+json', 'content-length': '2' })
    }
    for (const search of searches) t.equal((await ask(url + search, '*/*')).body, '[]', search)
  })

  t.test('stays 204 for who does not', async (t) => {
    for (const accept of takesNone) {
      const { status, headers, body } = await ask(`${url}studies`, accept)
      t.same([status, body], [204, ''], accept.slice(0, 80))
      t.equal(headers['content-length'], undefined)
    }
  })

  t.test('HEAD gets the same response as GET, without the body', async (t) => {
    const { status, headers, body } = await ask(`${url}studies`, '*/*', 'HEAD')
    t.same([status, body], [200, ''])
    t.match(headers, { 'content-type': 'application/dicom+json', 'content-length': '2' })
    t.equal((await ask(`${url}studies`, 'application/dicom+xml', 'HEAD')).status, 204)
  })

  t.test('log and metrics show the status from Google', async (t) => {
    const { length } = log().filter(({ msg }) => msg === 'request')
    await ask(`${url}series`, '*/*')
    const lines = () => log().filter(({ msg }) => msg === 'request')
    await eventually('it is in the log', () => lines().length > length)
    t.match(lines().at(-1), { level: 'info', route: '/series', status: 204, bytesSent: 2 })
    const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
    t.match(
      metrics,
      /requests_total\{account="google",service="QIDO-RS",route="\/series",status="204",layer=""\} \d+\n/,
    )
  })

  t.test('what is no search stays as it is', async (t) => {
    emulator.faults.add({ target: 'WADO-RS', status: 204, body: '' })
    t.same((await ask(`${url}studies/1.2.3/metadata`, '*/*')).status, 204)
  })
})

t.test('headers of the empty response are not those of the array', async (t) => {
  const google = createServer((_request, response) => {
    response.writeHead(204, {
      'content-type': 'text/html',
      'content-encoding': 'gzip',
      'content-language': 'en',
      etag: '"empty"',
      'cache-control': 'private',
      vary: 'Origin',
    })
    response.end()
  })
  const { url } = await startServed(t, {
    baseUrl: await listenOn(t, google),
    proxy: { PublicUrl: 'https://dicom.example' },
  })
  const { status, headers, body } = await ask(`${url}studies`, '*/*')
  t.same([status, body], [200, '[]'])
  t.match(headers, { 'cache-control': 'private', vary: 'Origin, Accept', 'content-length': '2' })
  for (const name of ['content-encoding', 'content-language', 'etag']) t.equal(headers[name], undefined, name)
})
