import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, type ServedOptions, startServed, stowOf } from '../helpers/served.ts'

const PrivateCache = { MaxAge: 600 }
const accounts: ServedOptions['accounts'] = ({ serviceAccountFile: ServiceAccountFile }) => ({
  google: { ...demoAccount, ServiceAccountFile, PrivateCache },
  plain: { ...demoAccount, ServiceAccountFile },
})
const ofSeries = 'studies/1.2/series/1.3'
const ofInstance = `${ofSeries}/instances/1.4`
const unchanging = [
  ofInstance,
  ...['frames/1', 'frames/1,2', 'rendered', 'frames/1/rendered', 'thumbnail', 'bulkdata/7FE00010'].map(
    (path) => `${ofInstance}/${path}`,
  ),
]
const changing = [
  'studies',
  'studies/1.2',
  'studies/1.2/metadata',
  'studies/1.2/rendered',
  'studies/1.2/instances',
  ofSeries,
  `${ofSeries}/metadata`,
  `${ofSeries}/rendered`,
  `${ofInstance}/metadata`,
]
const etag = '"1"'
const ofGoogle = { 'cache-control': 'no-cache', pragma: 'no-cache', expires: '0', etag, vary: 'X-Origin, accept' }

const google: RequestListener = ({ headers }, response) => {
  const status = Number(headers['accept-language'] ?? 0)
  for (const [name, value] of Object.entries(ofGoogle)) response.setHeader(name, value)
  response.setHeader('content-type', 'application/octet-stream')
  if (headers['if-none-match'] === etag) response.writeHead(304).end()
  else if (headers.range) response.writeHead(206, { 'content-range': 'bytes 0-1/10', 'content-length': 2 }).end('01')
  else response.writeHead(status || 200, { 'content-length': 2 }).end('01')
}

t.test('what an account says about caches, by resource and status', async (t) => {
  const { url, proxy } = await startServed(t, { accounts, baseUrl: await listenOn(t, createServer(google)) })
  const get = async (root: string, path: string, headers: Record<string, string> = {}, method = 'GET') => {
    const response = await fetch(root + path, { method, headers })
    await response.arrayBuffer()
    return { status: response.status, headers: Object.fromEntries(response.headers) as IncomingHttpHeaders }
  }
  for (const path of unchanging) {
    for (const [headers, status, method] of [
      [{}, 200, 'GET'],
      [{}, 200, 'HEAD'],
      [{ range: 'bytes=0-1' }, 206, 'GET'],
      [{ 'if-none-match': etag }, 304, 'GET'],
    ] as const) {
      const response = await get(url, path, headers, method)
      t.equal(response.status, status, path)
      t.equal(response.headers['cache-control'], 'private, max-age=600', `${status} ${path}`)
      t.same([response.headers.pragma, response.headers.expires, response.headers.etag], [undefined, undefined, etag])
      t.equal(response.headers.vary, 'X-Origin, accept, Origin, Authorization, Cookie, Accept-Charset, Accept-Encoding')
    }
    for (const status of [202, 400, 403, 404, 410, 500, 503]) {
      const response = await get(url, path, { 'accept-language': String(status) })
      t.equal(response.status, status)
      t.match(response.headers, { 'cache-control': 'no-cache', pragma: 'no-cache' }, path)
    }
  }
  for (const path of changing) t.match((await get(url, path)).headers, { 'cache-control': 'no-cache', expires: '0' })
  const plain = proxy.accountUrls.get('plain') ?? ''
  t.match((await get(plain, ofInstance)).headers, { ...ofGoogle, vary: 'X-Origin, accept, Origin' }, 'opt-in')
  t.equal((await get(url, `${ofInstance}?x=1`)).headers['cache-control'], 'no-store', 'a refusal of the proxy')
})

t.test('stores, deletions and real images; a reload ends it', async (t) => {
  const { url, reload } = await startServed(t, { accounts })
  const study = [...syntheticStudy({ instances: 1 })]
  const stored = await fetch(`${url}studies`, stowOf(study))
  t.equal(stored.headers.get('cache-control'), null)
  await stored.text()
  const [{ studyInstanceUid = '', seriesInstanceUid = '', sopInstanceUid = '' } = {}] = study
  const instance = `${url}studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`
  const rendered = await fetch(`${instance}/rendered`)
  t.equal(rendered.headers.get('cache-control'), 'private, max-age=600')
  await rendered.arrayBuffer()
  await reload({})
  const after = await fetch(`${instance}/rendered`)
  t.same([after.status, after.headers.get('cache-control')], [200, null])
  await after.arrayBuffer()
  await reload({ accounts })
  const deleted = await fetch(instance, { method: 'DELETE' })
  t.same([deleted.status, deleted.headers.get('cache-control')], [200, null])
  await deleted.text()
})
