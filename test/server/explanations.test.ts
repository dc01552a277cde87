import { createServer, type ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import type { Fault } from '../../src/emulator/faults.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { type Served, startServed, stowOf } from '../helpers/served.ts'

const stow = stowOf([...syntheticStudy({ instances: 1 })])
const proxyStatus = (status: number, attempts = 1) =>
  `gcp-dicomweb-proxy; received-status=${status}; details="layer=upstream, attempts=${attempts}"`

async function lineOf({ log }: Pick<Served, 'log'>, number = 1) {
  const requests = () => log().filter(({ msg }) => msg === 'request')
  await eventually('the log has the request', () => requests().length >= number)
  return requests()[number - 1] ?? {}
}

const requests: [service: Fault['target'], path: string, init: RequestInit][] = [
  ['STOW-RS', 'studies', stow],
  ['QIDO-RS', 'studies', {}],
  ['WADO-RS', 'studies/1.2.3', {}],
  ['DELETE', 'studies/1.2.3', { method: 'DELETE' }],
]
const permissions: Partial<Record<Fault['target'], RegExp>> = {
  'STOW-RS': /healthcare\.dicomStores\.dicomWebWrite\b.* roles\/healthcare\.dicomEditor /,
  'QIDO-RS': /healthcare\.dicomStores\.dicomWebRead\b.* roles\/healthcare\.dicomViewer /,
  'WADO-RS': /healthcare\.dicomStores\.dicomWebRead\b.* roles\/healthcare\.dicomViewer /,
  DELETE: /healthcare\.dicomStores\.dicomWebDelete\b.* roles\/healthcare\.dicomEditor /,
}

t.test('a refusal of Google passes unchanged, and the log says what to do, for each service and status', async (t) => {
  const served = await startServed(t)
  let number = 0
  for (const status of [400, 403, 404, 406, 409, 410, 413, 415, 416, 429, 500, 501, 502, 503, 504]) {
    for (const [target, path, init] of requests) {
      const body = { error: { code: status, message: `Said of ${status}.`, status: 'SOMETHING' } }
      served.emulator.faults.add({ target, status, body, times: 1 })
      const response = await fetch(served.url + path, init)
      t.equal(response.status, status)
      t.equal(await response.text(), JSON.stringify(body))
      t.equal(response.headers.get('proxy-status'), proxyStatus(status))
      number += 1
      const line = await lineOf(served, number)
      const isRepeated = status === 403 || status === 429 || status >= 500
      const what = `${target} ${status}`
      t.match(line, { level: 'warn', status, layer: 'upstream', attempts: 1, service: target }, what)
      t.equal(line.googleMessage, isRepeated ? `Said of ${status}.` : undefined, what)
      t.equal(line.code, undefined)
      t.match(line.detail, status === 403 ? permissions[target] : /^[A-Z].{10,}\. [A-Z][a-z]+ .{6,}$/, what)
    }
  }
})

t.test('responses that were buffered and retried say how often', async (t) => {
  const served = await startServed(t, { proxy: { Retry: { TotalTimeout: 3 } } })
  for (const [at, [target, path, init]] of requests.slice(0, 2).entries()) {
    served.emulator.faults.add({ target, status: 503 })
    const response = await fetch(served.url + path, init)
    const line = await lineOf(served, at + 1)
    t.ok(Number(line.attempts) >= 2)
    t.equal(response.headers.get('proxy-status'), proxyStatus(503, Number(line.attempts)))
    t.match(line, { status: 503, layer: 'upstream', googleMessage: 'The emulator was asked to respond with 503.' })
  }
})

t.test('what failed at first and then did not is no failure', async (t) => {
  const served = await startServed(t, { proxy: { Retry: { TotalTimeout: 30 } } })
  served.emulator.faults.add({ target: 'QIDO-RS', status: 503, times: 1 })
  const response = await fetch(`${served.url}studies`)
  t.equal(response.status, 200)
  t.equal(response.headers.get('proxy-status'), null)
  const nothing = { layer: undefined, detail: undefined, googleMessage: undefined }
  t.match(await lineOf(served), { level: 'info', attempts: 2, ...nothing })
})

t.test('a fresh token that Google rejects: its words are in the log', async (t) => {
  const served = await startServed(t)
  served.emulator.faults.add({ target: 'QIDO-RS', status: 401 })
  const response = await fetch(`${served.url}studies`)
  t.equal(response.status, 502)
  t.match(await response.json(), {
    code: 'token-rejected',
    layer: 'upstream',
    attempts: 2,
    detail: /Check the credential/,
  })
  t.match(await lineOf(served), { googleMessage: 'The emulator was asked to respond with 401.', attempts: 2 })
})

/** The proxy in front of a Google that sends this response. */
async function behind(t: Test, respond: (response: ServerResponse) => void) {
  const google = createServer((request, response) => {
    request.resume().on('end', () => respond(response))
  })
  return startServed(t, { baseUrl: await listenOn(t, google) })
}

t.test('no patient and no secret, in any message from Google', async (t) => {
  const served = await startServed(t)
  const message =
    'Permission denied on /studies/1.2.3456/series for Doe^John (doe, Doe%5EJohn) with ya29.abcdef: 1.2.840.99\u0007'
  served.emulator.faults.add({ target: 'QIDO-RS', status: 403, body: { error: { code: 403, message } } })
  const response = await fetch(`${served.url}studies/1.2.3456/series?PatientName=Doe%5EJohn`)
  t.match(await response.json(), { error: { message } }, 'to the client, unchanged')
  const line = await lineOf(served)
  t.equal(line.googleMessage, 'Permission denied on /studies/…/series for … (…, …) with …')
  t.notMatch(JSON.stringify(served.log()), /Doe|\bdoe\b|1\.2\.|ya29/)
})

t.test('of the content of a request nothing is repeated', async (t) => {
  const served = await startServed(t)
  for (const [at, status] of [400, 404, 406, 409, 413, 415].entries()) {
    const body = { error: { code: status, message: 'Doe^John is wrong' } }
    served.emulator.faults.add({ target: 'STOW-RS', status, body, times: 1 })
    await (await fetch(`${served.url}studies`, stow)).text()
    t.equal((await lineOf(served, at + 1)).googleMessage, undefined)
  }
  t.notMatch(JSON.stringify(served.log()), /Doe/)
})

const documents: [what: string, headers: Record<string, string>, body: string | Buffer, message?: string][] = [
  ['a list', {}, '[{"error":{"message":"Listed."}}]', 'Listed.'],
  [
    'with much behind it',
    {},
    `{"error":{"code":503,"message":"First.","details":["${'x'.repeat(20_000)}"]}}`,
    'First.',
  ],
  ['too much before it', {}, `{"error":{"details":["${'x'.repeat(9000)}"],"message":"Late."}}`],
  ['a message that has no end in what is read', {}, `{"error":{"message":"${'word '.repeat(3000)}"}}`],
  ['of another kind', {}, '<!doctype html><p>Oops'],
  ['compressed', { 'content-encoding': 'x-own' }, Buffer.from([0, 1, 2, 255])],
  ['not a text', {}, '{"error":{"message":{"a":1}}}'],
  ['no object', {}, 'null'],
  ['an error that is a word', {}, '{"error":"bad"}'],
  ['empty', {}, ''],
]

t.test('error documents of all kinds, on both ways', async (t) => {
  for (const [what, headers, body, message] of documents) {
    const served = await behind(t, (response) => {
      response.writeHead(503, { 'content-type': 'application/json', ...headers, 'content-length': body.length })
      response.end(body)
    })
    for (const [at, [, path, init]] of requests.slice(0, 2).entries()) {
      const response = await fetch(served.url + path, init)
      t.ok(Buffer.from(await response.arrayBuffer()).equals(Buffer.from(body)), what)
      t.equal((await lineOf(served, at + 1)).googleMessage, message, what)
    }
  }
})

t.test('success says nothing of the kind', async (t) => {
  const served = await startServed(t)
  for (const [at, [, path, init]] of requests.slice(0, 2).entries()) {
    const response = await fetch(served.url + path, init)
    await response.text()
    t.equal(response.headers.get('proxy-status'), null)
    t.match(await lineOf(served, at + 1), { level: 'info', layer: undefined, detail: undefined })
  }
})
