import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import t from 'tap'
import { listenOn } from '../helpers/listen.ts'
import { startServed } from '../helpers/served.ts'

// Google documents `series/{series}/instances` and the header Storage-Class: the one was refused,
// the other dropped in silence. A method that a resource does not have got 404, without Allow.
// `window=127,256,linear` arrived as `window=127%2C256%2Clinear`, which some servers don't decode.
// An upload without any instance is Google's to refuse.

t.test('what Google offers', async (t) => {
  let latest: IncomingMessage | null = null
  let received = ''
  const google = createServer(async (request, response) => {
    latest = request
    received = ''
    for await (const chunk of request) received += chunk
    if (request.method === 'POST' && received.length < 100) {
      response.writeHead(400, { 'content-type': 'application/json', 'content-length': 2 }).end('{}')
    } else response.writeHead(200, { 'content-type': 'application/dicom+json', 'content-length': 2 }).end('[]')
  })
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  const seen = () => latest as IncomingMessage | null

  t.test('instances of a series without its study', async (t) => {
    t.equal((await fetch(`${url}series/1.2.3/instances?limit=1`)).status, 200)
    t.match(seen()?.url, /\/dicomWeb\/series\/1\.2\.3\/instances\?limit=1$/)
    for (const path of ['series/1.2.3', 'series/x/instances', 'series/1.2.3/series']) {
      latest = null
      t.not((await fetch(url + path)).status, 200)
      t.equal(seen(), null, path)
    }
  })

  t.test('Storage-Class', async (t) => {
    const post = (headers: Record<string, string>, body = 'x'.repeat(200)) => {
      latest = null
      return fetch(`${url}studies`, {
        method: 'POST',
        headers: { 'content-type': 'application/dicom', ...headers },
        body,
      })
    }
    for (const storageClass of ['STANDARD', 'NEARLINE', 'COLDLINE', 'ARCHIVE']) {
      t.equal((await post({ 'storage-class': storageClass })).status, 200)
      t.equal(seen()?.headers['storage-class'], storageClass)
    }
    for (const storageClass of ['coldline', 'COLD', '', 'STANDARD, ARCHIVE', 'constructor']) {
      const response = await post({ 'storage-class': storageClass })
      t.equal(response.status, 400, storageClass)
      const detail = /^The header Storage-Class is none .* STANDARD, NEARLINE, COLDLINE, ARCHIVE\b/
      t.match(await response.json(), { code: 'malformed-request', detail })
      t.equal(seen(), null)
    }
    t.equal((await post({})).status, 200)
    t.equal(seen()?.headers['storage-class'], undefined)
    await fetch(`${url}studies`, { headers: { 'storage-class': 'x' } })
    t.equal(seen()?.headers['storage-class'], undefined, 'it means nothing to a search')
  })

  t.test('a method that a resource does not have', async (t) => {
    for (const [method, path, allow] of [
      ['PUT', 'studies', 'GET,HEAD,POST'],
      ['DELETE', 'studies', 'GET,HEAD,POST'],
      ['PATCH', 'studies/1.2/metadata', 'GET,HEAD'],
      ['OPTIONS', 'studies/1.2', 'GET,HEAD,POST,DELETE'],
      ['POST', 'series', 'GET,HEAD'],
    ] as const) {
      latest = null
      const response = await fetch(url + path, { method })
      t.equal(response.status, 405, `${method} ${path}`)
      t.equal(response.headers.get('allow'), allow)
      t.match(await response.json(), { code: 'method-not-allowed', layer: 'client', attempts: 0 })
      t.equal(seen(), null)
    }
    t.equal((await fetch(`${url}patients`, { method: 'PUT' })).status, 404)
    t.equal((await fetch(url.replace('google', 'nobody'), { method: 'PUT' })).status, 404)
  })

  t.test('the query in the spelling of the client', async (t) => {
    for (const [path, sent = path] of [
      ['studies/1/series/2/instances/3/rendered?window=127,256,linear&viewport=512,512'],
      ['studies/1/series/2/instances/3/rendered?window=127%2c256%2Clinear'],
      ['studies?PatientName=Doe^John', 'studies?PatientName=Doe%5EJohn'],
      ['studies?PatientName=a+b%20c:d/e@f&limit=1'],
      ["studies?PatientName=O'Neill;x?y", 'studies?PatientName=O%27Neill%3Bx%3Fy'],
      ['studies?%50atientName=a%26key%3Dx', 'studies?PatientName=a%26key%3Dx'],
    ] as const) {
      const { hostname, port, pathname } = new URL(url)
      const sending = request({ hostname, port, path: pathname + path })
      sending.end()
      const [response] = await once(sending, 'response')
      response.resume()
      t.equal(response.statusCode, 200, path)
      t.ok(seen()?.url?.endsWith(`/dicomWeb/${sent}`), `${path}: ${seen()?.url}`)
    }
  })

  t.test('an upload without an instance', async (t) => {
    const boundary = 'a'.repeat(71)
    const body = `--${boundary}--\r\n`
    t.equal(body.length, 77)
    const headers = { 'content-type': `multipart/related; type="application/dicom"; boundary=${boundary}` }
    const response = await fetch(`${url}studies`, { method: 'POST', headers, body })
    t.equal(response.status, 400, 'as Google responds')
    t.equal(await response.text(), '{}')
    t.equal(received, body)
  })
})
