import { createHash } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { type Served, startServed, stowOf } from '../helpers/served.ts'
import { documentsOf, type Item } from './stow-response/documents.ts'

const study = [...syntheticStudy({ instances: 2, seed: 1 })]
const other = [...syntheticStudy({ instances: 1, seed: 2 })]

/** The log line of the request of this number; the first by default. */
async function lineOf({ log }: Pick<Served, 'log'>, number = 1) {
  const requests = () => log().filter(({ msg }) => msg === 'request')
  await eventually('the log has the request', () => requests().length >= number)
  return requests()[number - 1] ?? {}
}

const numbers = ({ instancesStored, instancesFailed, instancesWarned }: Record<string, unknown>) =>
  [instancesStored, instancesFailed, instancesWarned] as const

t.test('the log says how many instances were stored, by JSON and by XML', async (t) => {
  for (const accept of ['application/dicom+json', 'application/dicom+xml']) {
    const served = await startServed(t)
    const stow = stowOf(study)
    const response = await fetch(`${served.url}studies`, { ...stow, headers: { ...stow.headers, accept } })
    t.equal(response.status, 200)
    t.equal(response.headers.get('content-type'), accept)
    await response.text()
    const line = await lineOf(served)
    t.same(numbers(line), [2, 0, 0])
    t.match(line, { level: 'info', service: 'STOW-RS', detail: undefined })
    t.notMatch(JSON.stringify(line), new RegExp(study[0]?.sopInstanceUid ?? ''))
  }
})

t.test('an upload of which a part was not stored is a warning', async (t) => {
  const served = await startServed(t)
  const response = await fetch(`${served.url}studies/${study[0]?.studyInstanceUid}`, stowOf([...study, ...other]))
  t.equal(response.status, 409)
  t.match(Object.keys((await response.json()) as object), ['00081190', '00081198', '00081199'], "Google's own text")
  t.equal(response.headers.get('proxy-status'), proxyStatus(409))
  const line = await lineOf(served)
  t.same(numbers(line), [2, 1, 0])
  t.match(line, { level: 'warn', layer: 'upstream', attempts: 1, detail: /0008,1198/, googleMessage: undefined })
})

function proxyStatus(status: number): string {
  return `gcp-dicomweb-proxy; received-status=${status}; details="layer=upstream, attempts=1"`
}

t.test('other requests have no such numbers', async (t) => {
  const served = await startServed(t)
  await (await fetch(`${served.url}studies`)).text()
  t.same(numbers(await lineOf(served)), [undefined, undefined, undefined])
})

t.test('the response to an upload is not requested compressed', async (t) => {
  const { url, emulator } = await startServed(t)
  const stow = stowOf(study)
  const headers = { 'accept-encoding': 'gzip' }
  await (await fetch(`${url}studies`, { ...stow, headers: { ...stow.headers, ...headers } })).text()
  t.equal(emulator.log.at(-1)?.headers['accept-encoding'], undefined)
  await (await fetch(`${url}studies`, { headers })).text()
  t.equal(emulator.log.at(-1)?.headers['accept-encoding'], 'gzip', 'that to a search is')
})

/** The proxy in front of a Google that sends these responses to uploads, one after another. */
async function behind(t: Test, responders: ((response: ServerResponse) => void)[], proxy = {}) {
  const google = createServer((request, response) => {
    request.resume().on('end', () => responders.shift()?.(response))
  })
  return startServed(t, { baseUrl: await listenOn(t, google), proxy })
}

const items: Item[] = [
  { uid: '1.2.3', sequence: '00081199', warning: true },
  { uid: '1.2.4', sequence: '00081199' },
  { uid: '1.2.5', sequence: '00081198' },
  { uid: '1.2.6', sequence: '0008119A' },
]
const { json, xml } = documentsOf(items)

t.test('warnings and failures, under any status; the body passes byte for byte', async (t) => {
  const cases = [200, 202, 409].flatMap((status) => [
    { status, type: 'application/dicom+json', document: json },
    { status, type: 'application/dicom+xml', document: xml },
  ])
  const served = await behind(
    t,
    cases.map(({ status, type, document }) => (response) => {
      response.writeHead(status, { 'content-type': type }).end(document)
    }),
  )
  for (const [at, { status, document }] of cases.entries()) {
    const response = await fetch(`${served.url}studies`, stowOf(study))
    t.equal(response.status, status)
    t.equal(await response.text(), document)
    const line = await lineOf(served, at + 1)
    t.same(numbers(line), [2, 2, 1])
    t.match(line, { level: 'warn', layer: 'upstream', detail: /^Not every instance was stored/ })
    t.notMatch(JSON.stringify(line), /1\.2\.[3456]/)
  }
})

t.test('URLs may be rewritten meanwhile', async (t) => {
  const proxy = { PublicUrl: 'https://pacs.example/google' }
  const served = await behind(
    t,
    [(response) => response.writeHead(200, { 'content-type': 'application/dicom+json' }).end(json)],
    proxy,
  )
  await (await fetch(`${served.url}studies`, stowOf(study))).text()
  t.same(numbers(await lineOf(served)), [2, 2, 1])
})

t.test('what can not be read passes all the same, and is a warning', async (t) => {
  const compressed = gzipSync(json)
  const unreadable: [headers: Record<string, string>, body: string | Buffer][] = [
    [{ 'content-type': 'application/dicom+json' }, '<!doctype html><p>Oops'],
    [{ 'content-type': 'application/dicom+json' }, json.slice(0, -1)],
    [{ 'content-type': 'application/dicom+json' }, compressed],
    [{ 'content-type': 'application/dicom+json', 'content-encoding': 'x-own' }, compressed],
    [{ 'content-type': 'application/dicom+xml' }, json],
    [{ 'content-type': 'application/dicom+xml' }, `${xml}<again/>`],
    [{ 'content-type': 'text/plain' }, json],
    [{}, json],
  ]
  const served = await behind(
    t,
    unreadable.map(
      ([headers, body]) =>
        (response) =>
          response.writeHead(200, headers).end(body),
    ),
  )
  for (const [at, [, body]] of unreadable.entries()) {
    const response = await fetch(`${served.url}studies`, stowOf(study))
    t.equal(response.status, 200)
    t.ok(Buffer.from(await response.arrayBuffer()).equals(Buffer.from(body)))
    const line = await lineOf(served, at + 1)
    t.same(numbers(line), [undefined, undefined, undefined], String(body).slice(0, 40))
    t.match(line, { level: 'warn', detail: /the proxy can read no stored instance in it/ })
  }
})

t.test('a response that breaks off says nothing about the instances', async (t) => {
  const served = await behind(t, [
    (response) => {
      response.writeHead(200, { 'content-type': 'application/dicom+json', 'content-length': json.length + 1000 })
      response.write(json, () => response.destroy())
    },
  ])
  const response = await fetch(`${served.url}studies`, stowOf(study))
  await t.rejects(response.text())
  const line = await lineOf(served)
  t.same(numbers(line), [undefined, undefined, undefined])
  t.match(line, { level: 'warn', abortedBy: 'upstream', layer: 'upstream', detail: /Send the request again/ })
})

t.test('20,000 instances: byte for byte, and in memory that stays flat', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  const count = 20_000
  for (const form of ['json', 'xml'] as const) {
    const whole = documentsOf(Array.from({ length: count }, (_, at) => ({ uid: `1.2.3.${at}`, sequence: '00081199' })))
    const body = Buffer.from(whole[form])
    const headers = { 'content-type': `application/dicom+${form}`, 'content-length': body.length }
    const served = await behind(t, [(response) => response.writeHead(200, headers).end(body)])
    const response = await fetch(`${served.url}studies`, stowOf(study))
    const hash = createHash('sha256')
    const heap: number[] = []
    let received = 0
    for await (const chunk of response.body ?? []) {
      hash.update(chunk)
      const step = Math.floor((received * 8) / body.length)
      received += chunk.length
      if (Math.floor((received * 8) / body.length) === step) continue
      collect()
      heap.push(process.memoryUsage().heapUsed)
    }
    t.equal(hash.digest('hex'), createHash('sha256').update(body).digest('hex'))
    t.same(numbers(await lineOf(served)), [count, 0, 0])
    const grown = Math.max(...heap) - Math.min(...heap)
    t.ok(grown < 2 * 1024 * 1024, `${form} of ${body.length} bytes: the heap moved by ${grown}`)
    t.comment(`${form}: ${body.length} bytes, the heap moved by ${grown}`)
  }
})
