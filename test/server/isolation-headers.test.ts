import { createServer } from 'node:http'
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { listenOn } from '../helpers/listen.ts'
import { readMessages, valuesOf } from '../helpers/messages.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed, stowOf } from '../helpers/served.ts'

const expected = {
  'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
}

function isolationOf(headers: Headers) {
  return Object.fromEntries(Object.keys(expected).map((name) => [name, headers.get(name)]))
}

t.test('every response tells browsers to keep it from other origins, and to run nothing of it', async (t) => {
  const { url, proxy, emulator } = await startServed(t)
  const stow = stowOf([...syntheticStudy({ instances: 1 })])
  const all: [what: string, path: string, init: RequestInit, status: number][] = [
    ['a search that finds nothing', `${url}studies`, {}, 200],
    ['an upload', `${url}studies`, stow, 200],
    ['a search', `${url}studies`, {}, 200],
    ['HEAD', `${url}studies`, { method: 'HEAD' }, 200],
    ['a refusal of Google', `${url}studies/1.2.3`, {}, 404],
    ['a deletion', `${url}studies/1.2.3`, { method: 'DELETE' }, 404],
    ['no account', `${proxy.url}/other/studies`, {}, 404],
    ['no path', `${url}studies?access_token=1`, {}, 400],
  ]
  for (const [what, path, init, status] of all) {
    const response = await fetch(path, init)
    await response.text()
    t.equal(response.status, status, what)
    t.same(isolationOf(response.headers), expected, what)
  }
  for (const target of ['QIDO-RS', 'STOW-RS'] as const) {
    // Held back first, for it could have been sent again.
    emulator.faults.add({ target, status: 503, times: 1 })
    const response = await fetch(`${url}studies`, target === 'STOW-RS' ? stow : {})
    t.equal(response.status, 503)
    t.same(isolationOf(response.headers), expected, target)
  }
  const { messages } = readMessages(await rawRequest(proxy.url, 'no HTTP\r\n\r\n'))
  for (const [name, value] of Object.entries(expected)) {
    t.same(messages[0] && valuesOf(messages[0], name), [value], 'what is no request')
  }
})

t.test("Google's own such headers do not count; interim responses are not touched", async (t) => {
  const google = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeEarlyHints({ link: '</a>; rel=preload' })
      response.writeHead(200, {
        'Content-Security-Policy': "default-src *; script-src 'unsafe-inline'",
        'Cross-Origin-Resource-Policy': 'cross-origin',
        'X-Content-Type-Options': 'sniff',
        'Access-Control-Allow-Origin': '*',
        'Content-Length': '2',
      })
      response.end('[]')
    })
  })
  const { proxy } = await startServed(t, { baseUrl: await listenOn(t, google) })
  for (const line of ['GET /google/studies', 'POST /google/studies']) {
    const length = line.startsWith('POST') ? 'Content-Length: 0\r\nContent-Type: application/dicom\r\n' : ''
    const head = `${line} HTTP/1.1\r\nHost: localhost\r\n${length}Expect: 100-continue\r\nConnection: close\r\n\r\n`
    const { messages } = readMessages(await rawRequest(proxy.url, head))
    const last = messages.at(-1)
    for (const [name, value] of Object.entries(expected))
      t.same(last && valuesOf(last, name), [value], `${line} ${name}`)
    t.same(last && valuesOf(last, 'access-control-allow-origin'), [])
    for (const interim of messages.slice(0, -1)) t.same(interim.headers, [], 'interim')
  }
})
