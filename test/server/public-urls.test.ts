import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { gunzipSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { basic, hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { readMessages } from '../helpers/messages.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

const study = [...syntheticStudy({ instances: 2, rows: 128, columns: 128 })]
const publicUrl = 'https://pacs.hospital.example/dicom'
const proxy = { PublicUrl: publicUrl }
const healthcare = 'https://healthcare.googleapis.com/v1'
const store = 'locations/europe-west4/datasets/imaging/dicomStores/demo/dicomWeb'

t.test('URLs in responses lead back to the proxy when it knows how it is reached', async (t) => {
  const { url } = await startServed(t, { proxy })
  const stored = await fetch(`${url}studies`, stowOf(study))
  const retrieveUrls = [...(await stored.text()).matchAll(/"(http[^"]+)"/g)].map(([, found]) => found ?? '')
  t.equal(retrieveUrls.length, 3, 'of the study and its instances')
  t.ok(retrieveUrls.every((found) => found.startsWith(`${publicUrl}/google/studies/`)))
  // A row of a search has no RetrieveURL; it has a BulkDataURI where all is asked for.
  for (const path of ['instances?includefield=all', `studies/${study[0]?.studyInstanceUid}/metadata`]) {
    const response = await fetch(url + path, { headers: { 'accept-encoding': 'gzip' } })
    const text = await response.text()
    t.notMatch(text, /127\.0\.0\.1/, path)
    t.match(text, new RegExp(`${publicUrl}/google/studies/`))
    t.ok(Array.isArray(JSON.parse(text)))
  }
})

t.test('instances pass unchanged, with any content', async (t) => {
  const { url, emulator } = await startServed(t, { proxy })
  const root = `${emulator.dicomWebUrl()}/`
  const named = [...syntheticStudy({ instances: 1, patientName: root })]
  await (await fetch(`${url}studies`, stowOf(named))).text()
  const accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
  const response = await fetch(`${url}studies/${named[0]?.studyInstanceUid}`, { headers: { accept } })
  t.ok(Buffer.from(await response.arrayBuffer()).includes(named[0]?.bytes ?? ''))
})

t.test('without PublicUrl, the client’s own address for the proxy takes its place', async (t) => {
  const { url, emulator } = await startServed(t)
  const stored = await fetch(`${url}studies`, stowOf(study))
  const text = await stored.text()
  t.match(text, `${url}studies/`)
  t.notMatch(text, emulator.baseUrl)
  const [row] = JSON.parse(await (await fetch(`${url}instances?includefield=all`)).text())
  const bulkData = await fetch(row['7FE00010'].BulkDataURI)
  t.equal(bulkData.status, 200, 'a client can follow it')
  t.ok((await bulkData.arrayBuffer()).byteLength > 0)
})

t.test('an account may have Google’s own URLs', async (t) => {
  const { proxy, emulator } = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      own: { ...demoAccount, ServiceAccountFile: serviceAccountFile, RewriteUrls: false },
    }),
  })
  const stored = await fetch(`${proxy.accountUrls.get('own')}studies`, stowOf(study))
  t.match(await stored.text(), `${emulator.dicomWebUrl()}/studies/`)
})

t.test('which address takes its place', async (t) => {
  const google = createServer((_request, response) => {
    const type = { 'content-type': 'application/dicom+json' }
    response.writeHead(200, type).end(JSON.stringify([`${healthcare}/projects/demo/${store}/studies`]))
  })
  const baseUrl = await listenOn(t, google)
  const rootFor = async (proxyUrl: string, headers: Record<string, string>, version = '1.1') => {
    const lines = Object.entries({ connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
    const raw = await rawRequest(proxyUrl, `GET /google/studies HTTP/${version}\r\n${lines.join('')}\r\n`)
    return /"(http[^"]*)\/google\/studies"/.exec(raw.toString())?.[1]
  }
  const forwarded = {
    host: 'localhost:1',
    forwarded: 'host=evil.example;proto=http, for=192.0.2.1;Proto=HTTPS; Host="pacs.example:444"',
    'x-forwarded-host': 'other.example',
  }
  const headers = {
    host: 'localhost:1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'evil.example, pacs.example',
  }

  const { proxy, reload } = await startServed(t, { baseUrl })
  const { port } = new URL(proxy.url)
  t.equal(await rootFor(proxy.url, { host: 'localhost:8043' }), 'http://localhost:8043')
  t.equal(await rootFor(proxy.url, { host: '[::1]:8043' }), 'http://[::1]:8043')
  t.equal(await rootFor(proxy.url, {}, '1.0'), `http://127.0.0.1:${port}`, 'without a Host')
  t.equal(await rootFor(proxy.url, forwarded), 'http://localhost:1', 'nobody is trusted')
  t.equal(await rootFor(proxy.url, headers), 'http://localhost:1')

  await reload({ baseUrl, proxy: { TrustedProxies: ['192.0.2.0/24'] } })
  t.equal(await rootFor(proxy.url, forwarded), 'http://localhost:1', 'another one is trusted')

  await reload({ baseUrl, proxy: { TrustedProxies: ['127.0.0.0/8'] } })
  t.equal(await rootFor(proxy.url, forwarded), 'https://pacs.example:444', 'Forwarded, the last value')
  t.equal(await rootFor(proxy.url, headers), 'https://pacs.example')
  t.equal(await rootFor(proxy.url, { host: 'localhost:1', 'x-forwarded-proto': 'https' }), 'https://localhost:1')
  for (const value of ['a"b', "a'b", 'a&b', '<a>', 'a/b', 'u@h', '', 'é'])
    t.equal(await rootFor(proxy.url, { host: 'localhost:1', 'x-forwarded-host': value }), 'http://localhost:1', value)

  await reload({ baseUrl, proxy: { TrustedProxies: ['127.0.0.0/8'], PublicUrl: publicUrl } })
  t.equal(await rootFor(proxy.url, headers), publicUrl, 'PublicUrl decides')

  const clients = { viewer: { PasswordHash: hashOf('correct horse'), Accounts: { google: ['QIDO-RS'] } } }
  await reload({ baseUrl, proxy: { Clients: clients } })
  const login = basic('viewer', 'correct horse')
  t.equal(await rootFor(proxy.url, { host: "a'b&c", ...login }), `http://127.0.0.1:${port}`, 'what could break XML')
})

t.test('headers, parts, and the ways in which Google writes the store', async (t) => {
  let send: (response: ServerResponse) => void = () => {}
  const google = createServer((request, response) => {
    requests.push(request.headers)
    request.resume().once('end', () => send(response))
  })
  const requests: IncomingHttpHeaders[] = []
  const baseUrl = await listenOn(t, google)
  const { url } = await startServed(t, { baseUrl, proxy: { PublicUrl: "https://pacs.example/a'b&c" } })
  const mine = "https://pacs.example/a'b&c/google"
  const own = `${healthcare}/projects/123/${store}`
  const get = async (
    status: number,
    headers: Record<string, string>,
    body: string | Buffer,
    ask: Record<string, string> = {},
  ) => {
    send = (response) => response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers }).end(body)
    const response = await rawRequest(
      url,
      `GET ${new URL(url).pathname}studies/1/metadata HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${Object.entries(
        ask,
      )
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('')}\r\n`,
    )
    const { start = '', headers: list = [], body: bytes = Buffer.alloc(0) } = readMessages(response).messages[0] ?? {}
    return { status: Number(start.split(' ')[1]), headers: Object.fromEntries(list), body: bytes }
  }

  const headers = { 'content-type': 'text/plain', 'content-location': `${own}/x`, warning: `299 - "see ${own}/y"` }
  const plain = await get(200, headers, own)
  t.match(plain.headers, { 'content-location': `${mine}/x`, warning: `299 - "see ${mine}/y"` })
  t.equal(String(plain.body), own, 'a text of another type passes')

  t.match((await get(303, { location: `${own}/x` }, '')).headers, { location: `${mine}/x` })
  t.equal((await get(303, { location: 'https://elsewhere.example/x' }, '')).headers.location, undefined)
  t.equal(
    (await get(206, { 'content-type': 'application/json', 'content-range': 'bytes 0-9/99' }, own)).body.toString(),
    own,
  )

  const xml = await get(200, { 'content-type': 'application/dicom+xml' }, `<a u='${own}/x'>${own}/y</a>`)
  const escaped = mine.replace('&', '&amp;').replace("'", '&apos;')
  t.equal(String(xml.body), `<a u='${escaped}/x'>${escaped}/y</a>`)

  const parts = (location: string) =>
    `--b\r\nContent-Type: application/octet-stream\r\nContent-Location: ${location}/f\r\n\r\n${own}\r\n--b--`
  const multipart = { 'content-type': 'multipart/related; type="application/octet-stream"; boundary="b"', etag: '"1"' }
  const related = await get(200, multipart, parts(own))
  t.equal(String(related.body), parts(mine), 'only the header of the part')
  t.equal(related.headers.etag, 'W/"1"')

  const zipped = { 'content-type': 'application/dicom+json', 'content-encoding': 'gzip', etag: 'W/"1"' }
  const document = JSON.stringify(Array.from({ length: 5000 }, (_, at) => `${own}/${at}`))
  const wanted = document.replaceAll(own, mine)
  const both = await get(200, zipped, gzipSync(document), { 'accept-encoding': 'br, gzip;q=0.5' })
  t.equal(requests.at(-1)?.['accept-encoding'], 'gzip', 'the one that the proxy can read')
  t.match(both.headers, { 'content-encoding': 'gzip', vary: 'Accept-Encoding', etag: 'W/"1"' })
  t.equal(String(gunzipSync(both.body)), wanted)
  for (const ask of [{}, { 'accept-encoding': 'br' }, { 'accept-encoding': 'gzip;q=0, *' }]) {
    const decoded = await get(200, zipped, gzipSync(document), ask)
    t.equal(requests.at(-1)?.['accept-encoding'], undefined)
    t.equal(decoded.headers['content-encoding'], undefined)
    t.equal(String(decoded.body), wanted, 'for a client that does not ask for gzip')
  }
  send = (response) => response.writeHead(304, zipped).end()
  const unchanged = await fetch(`${url}studies`, { headers: { 'if-none-match': '"1"' } })
  t.same([unchanged.status, await unchanged.text()], [304, ''])
  send = (response) => response.writeHead(200, zipped).end()
  const head = await fetch(`${url}studies`, { method: 'HEAD' })
  t.same([head.status, await head.text()], [200, ''])
})

t.test('Accept-Encoding stays for everything that has no URLs', async (t) => {
  const { url, emulator } = await startServed(t)
  await (await fetch(`${url}studies`, stowOf(study))).text()
  const [{ studyInstanceUid: uid = '', seriesInstanceUid: series = '', sopInstanceUid: sop = '' } = {}] = study
  const instance = `studies/${uid}/series/${series}/instances/${sop}`
  for (const [path, wanted] of [
    [instance, 'gzip, br'],
    [`${instance}/frames/1`, 'gzip, br'],
    [`${instance}/rendered`, 'gzip, br'],
    [`${instance}/bulkdata/7FE00010`, 'gzip, br'],
    [`${instance}/metadata`, 'gzip'],
    ['studies', 'gzip'],
  ] as const) {
    await (await fetch(url + path, { headers: { 'accept-encoding': 'gzip, br' } })).arrayBuffer()
    t.equal(emulator.log.at(-1)?.headers['accept-encoding'], wanted, path)
  }
})

t.test('a compressed response that is cut or damaged does not look whole', async (t) => {
  const body = gzipSync(JSON.stringify(Array.from({ length: 20_000 }, (_, at) => `${at * 7919}`)))
  const damaged = Buffer.from(body)
  damaged.fill(0xff, body.length / 2, body.length / 2 + 64)
  for (const [what, bytes] of [
    ['cut', body.subarray(0, -20)],
    ['damaged', damaged],
  ] as const) {
    const google = createServer((_request, response) => {
      const headers = {
        'content-type': 'application/dicom+json',
        'content-encoding': 'gzip',
        'content-length': bytes.length,
      }
      response.writeHead(200, headers).end(bytes)
    })
    const { url, log } = await startServed(t, { baseUrl: await listenOn(t, google) })
    await t.rejects(
      fetch(`${url}studies`).then((response) => response.text()),
      what,
    )
    await eventually('its line', () => log().some(({ msg, layer }) => msg === 'request' && layer === 'upstream'))
  }
})

t.test('a response that is compressed all the same passes unchanged', async (t) => {
  const body = Buffer.from('not really compressed')
  const google = createServer((_request, response) => {
    response
      .writeHead(200, {
        'content-type': 'application/dicom+json',
        'content-encoding': 'x-test',
        'content-length': body.length,
      })
      .end(body)
  })
  const { url } = await startServed(t, { proxy, baseUrl: await listenOn(t, google) })
  const response = await fetch(`${url}studies`)
  t.equal(response.headers.get('content-length'), String(body.length))
  t.equal(await response.text(), String(body))
})
