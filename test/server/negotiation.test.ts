import { createServer } from 'node:http'
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed, stowOf } from '../helpers/served.ts'

interface Received {
  readonly target: string | undefined
  readonly accept: string | undefined
  readonly charset: string | string[] | undefined
}

t.test('accept and charset of a query reach Google as the headers that they stand for', async (t) => {
  const received: Received[] = []
  const google = createServer(({ url, headers }, response) => {
    received.push({ target: url?.split('/dicomWeb/')[1], accept: headers.accept, charset: headers['accept-charset'] })
    response.writeHead(204).end()
  })
  const { url } = await startServed(t, { baseUrl: await listenOn(t, google) })
  const own = { accept: 'text/html, */*;q=0.8', 'accept-charset': 'x' }
  const multipart = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
  const instance = 'studies/1.2/series/1.3/instances/1.4'
  const cases: [path: string, target: string, accept: string, charset: string][] = [
    ['studies', 'studies', own.accept, 'x'],
    ['studies?limit=1', 'studies?limit=1', own.accept, 'x'],
    ['studies?accept=application/dicom%2Bjson', 'studies', 'application/dicom+json', 'x'],
    ['studies?accept=application/dicom+json&limit=1', 'studies?limit=1', 'application/dicom+json', 'x'],
    [
      'studies?limit=1&accept=a/b,c/d;q=0.5&offset=2&charset=utf-8',
      'studies?limit=1&offset=2',
      'a/b,c/d;q=0.5',
      'utf-8',
    ],
    [`${instance}/frames/1?accept=${encodeURIComponent(multipart)}`, `${instance}/frames/1`, multipart, 'x'],
    [`${instance}/rendered?charset=utf-8&accept=image/png`, `${instance}/rendered`, 'image/png', 'utf-8'],
    ['studies?%61ccept=a/b&limit=1', 'studies?limit=1', 'a/b', 'x'],
    ['studies?accept=&charset', 'studies', own.accept, 'x'],
  ]
  for (const [path, target, accept, charset] of cases) {
    await (await fetch(url + path, { headers: own })).text()
    t.same(received.at(-1), { target, accept, charset }, path)
  }
  const before = received.length
  for (const query of [
    'accept=a/b&accept=c/d',
    'accept=a/b%0d%0aX-Evil:%201',
    'accept=a/b%00',
    'charset=%ff',
    'charset=%C3%BC',
    'Accept=a/b.c',
    '%61ccept=%0d%0a',
  ]) {
    const response = await fetch(`${url}studies/1.2/metadata?${query}`)
    t.equal(response.status, 400, query)
    t.match(await response.text(), /"code":"(malformed-request|query-not-allowed)"/)
  }
  t.equal(received.length, before)
})

t.test('a link chooses between JSON and XML, and what finds nothing follows it', async (t) => {
  const { url } = await startServed(t)
  const html = { headers: { accept: 'text/html' } }
  const empty = await fetch(`${url}studies?accept=application/dicom%2Bjson`, html)
  t.same([empty.status, await empty.text()], [200, '[]'])
  const xml = await fetch(`${url}studies?accept=multipart/related;type="application/dicom%2Bxml"`)
  await xml.text()
  t.equal(xml.status, 204)
  const { headers, ...stow } = stowOf([...syntheticStudy({ instances: 1 })])
  const stored = await fetch(`${url}studies?accept=application/dicom%2Bjson`, {
    ...stow,
    headers: { ...headers, accept: 'application/dicom+xml' },
  })
  t.match(stored.headers.get('content-type'), 'application/dicom+json')
  await stored.text()
  const found = await fetch(`${url}studies?accept=application/dicom%2Bjson`, html)
  t.match(await found.json(), [{ '0020000D': {} }])
})
