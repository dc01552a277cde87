import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import t, { type Test } from 'tap'
import type { Fault } from '../../src/emulator/faults.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { BufferedResponse } from '../../src/forward/buffered-response.ts'
import { backoffDelay, retryPolicyFor } from '../../src/server/retry-policy.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { type Served, startServed, stowOf } from '../helpers/served.ts'

// Each test has a proxy of its own, and waits most of the time.
t.jobs = 6

const study = [...syntheticStudy({ instances: 2 })]
const stow = stowOf(study)
const [first] = study
const instance = `studies/${first?.studyInstanceUid}/series/${first?.seriesInstanceUid}/instances/${first?.sopInstanceUid}`
const proxy = { Retry: { TotalTimeout: 30 } }

function statuses({ emulator }: Served) {
  return emulator.log.filter(({ target }) => target.includes('/dicomWeb/')).map(({ status }) => status)
}

async function startStored(t: Test, options = {}) {
  const served = await startServed(t, { proxy, ...options })
  t.equal((await fetch(`${served.url}studies`, stow)).status, 200)
  served.emulator.clearLog()
  return served
}

const reads: [string, Fault['target'], RequestInit][] = [
  ['studies', 'QIDO-RS', {}],
  [instance, 'WADO-RS', { headers: { accept: 'application/dicom; transfer-syntax=*' } }],
]

for (const [path, target, init] of reads) {
  for (const fault of [{ status: 503 }, { status: 429 }, { resetBefore: true }]) {
    t.test(`what passes by itself is retried: ${target} after ${JSON.stringify(fault)}`, async (t) => {
      const served = await startStored(t)
      served.emulator.faults.add({ target, times: 1, ...fault })
      const response = await fetch(served.url + path, init)
      t.equal(response.status, 200)
      t.ok((await response.arrayBuffer()).byteLength > 100)
      t.equal(statuses(served).length, 2)
      const isRetried = ({ msg, attempts }: Record<string, unknown>) => msg === 'request' && attempts === 2
      await eventually('the log has it', () => served.log().some(isRetried))
      t.match(served.log().filter(isRetried), [{ status: 200 }])
    })
  }
}

t.test('Retry-After is honoured', async (t) => {
  const served = await startStored(t)
  served.emulator.faults.add({ target: 'QIDO-RS', times: 1, status: 429, headers: { 'retry-after': '3' } })
  const startedAt = performance.now()
  t.equal((await fetch(`${served.url}studies`)).status, 200)
  t.ok(performance.now() - startedAt >= 3000)
})

t.test('when the total timeout ends, the last response from Google is passed on whole', async (t) => {
  const served = await startStored(t, { proxy: { Retry: { TotalTimeout: 3 } } })
  served.emulator.faults.add({ target: 'QIDO-RS', status: 503, headers: { 'retry-after': '1' } })
  const response = await fetch(`${served.url}studies`)
  t.equal(response.status, 503)
  t.equal(response.headers.get('retry-after'), '1')
  const attempts = statuses(served).length
  t.ok(attempts >= 2)
  t.equal(
    response.headers.get('proxy-status'),
    `gcp-dicomweb-proxy; received-status=503; details="layer=upstream, attempts=${attempts}"`,
  )
  t.match(await response.json(), { error: { code: 503, status: 'UNAVAILABLE' } })
})

t.test('a Retry-After beyond the budget is not waited for', async (t) => {
  const served = await startStored(t)
  served.emulator.faults.add({ target: 'QIDO-RS', status: 429, headers: { 'retry-after': '3600' } })
  t.equal((await fetch(`${served.url}studies`)).status, 429)
  t.same(statuses(served), [429])
})

t.test('no connection at all: retried until the total timeout ends, then reported', async (t) => {
  const gone = createServer()
  const baseUrl = await listenOn(t, gone)
  gone.close()
  const { url } = await startServed(t, { baseUrl, proxy: { Retry: { TotalTimeout: 3 } } })
  const response = await fetch(`${url}studies`)
  t.equal(response.status, 502)
  t.match(await response.json(), { code: 'upstream-unreachable', attempts: 2 })
})

t.test('what will not pass by itself is not retried', async (t) => {
  const served = await startStored(t)
  for (const status of [400, 403, 404, 406, 409, 501]) {
    served.emulator.clearLog()
    served.emulator.faults.add({ target: 'QIDO-RS', times: 1, status })
    t.equal((await fetch(`${served.url}studies`)).status, status)
    t.same(statuses(served), [status])
  }
})

t.test('deleting: an instance again, a study once', async (t) => {
  const served = await startStored(t)
  served.emulator.faults.add({ target: 'DELETE', times: 1, status: 503 })
  t.equal((await fetch(served.url + instance, { method: 'DELETE' })).status, 200)
  t.same(statuses(served), [503, 200])
  served.emulator.clearLog()
  served.emulator.faults.add({ target: 'DELETE', times: 1, status: 503 })
  t.equal((await fetch(`${served.url}studies/${first?.studyInstanceUid}`, { method: 'DELETE' })).status, 503)
  t.same(statuses(served), [503])
})

t.test('an upload that is kept whole: again after 429 and 503, byte for byte, and each instance once', async (t) => {
  for (const fault of [{ status: 429 }, { status: 503 }, { earlyResponse: 503 }]) {
    await t.test(JSON.stringify(fault), async (t) => {
      const served = await startServed(t, { proxy })
      served.emulator.faults.add({ target: 'STOW-RS', times: 1, ...fault })
      t.equal((await fetch(`${served.url}studies`, stow)).status, 200)
      t.equal(statuses(served).length, 2)
      for (const { seriesInstanceUid, sopInstanceUid, studyInstanceUid, bytes } of study) {
        const path = `studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`
        const response = await fetch(served.url + path, { headers: { accept: 'application/dicom; transfer-syntax=*' } })
        t.ok(Buffer.from(await response.arrayBuffer()).equals(bytes))
      }
    })
  }
})

t.test('an upload that Google may have stored is never sent again', async (t) => {
  const served = await startServed(t, { proxy })
  served.emulator.faults.add({ target: 'STOW-RS', times: 1, lateReset: true })
  const response = await fetch(`${served.url}studies`, stow)
  t.equal(response.status, 502)
  t.match(await response.json(), { code: 'upstream-reset', attempts: 1 })
  t.equal(statuses(served).length, 1)
})

t.test('an upload that is larger than what is kept is sent once', async (t) => {
  for (const Retry of [
    { TotalTimeout: 30, BufferPerRequest: 1000 },
    { TotalTimeout: 30, BufferTotal: 1000 },
  ]) {
    const served = await startServed(t, { proxy: { Retry } })
    served.emulator.faults.add({ target: 'STOW-RS', times: 1, status: 503 })
    const response = await fetch(`${served.url}studies`, stow)
    t.equal(response.status, 503)
    t.match(await response.json(), { error: { code: 503 } }, "Google's own text")
    t.equal(statuses(served).length, 1)
  }
})

t.test('what was kept of an upload is given back, however the upload ends', async (t) => {
  // Room for one upload, and not for two.
  const BufferTotal = Math.round(stow.body.length * 1.5)
  const served = await startServed(t, { proxy: { Retry: { TotalTimeout: 30, BufferTotal } } })
  const endings: Partial<Fault>[] = [{}, { status: 400 }, { lateReset: true }, { resetAfterHeaders: true }]
  for (const ending of endings) {
    served.emulator.faults.add({ target: 'STOW-RS', times: 1, ...ending })
    // The break may come before or after the response headers.
    const sending = fetch(`${served.url}studies`, stow)
    await sending.then((response) => response.text()).catch(() => 'broken off')
  }
  served.emulator.clearLog()
  served.emulator.faults.add({ target: 'STOW-RS', times: 1, status: 503 })
  t.equal((await fetch(`${served.url}studies`, stow)).status, 200)
  t.same(statuses(served), [503, 200], 'the last one could still be kept')
})

t.test('a client that leaves while the proxy waits ends the retries', async (t) => {
  const served = await startStored(t)
  served.emulator.faults.add({ target: 'QIDO-RS', status: 503 })
  const leaving = new AbortController()
  const asking = fetch(`${served.url}studies`, { signal: leaving.signal })
  await eventually('the first try', () => statuses(served).length === 1)
  leaving.abort()
  await t.rejects(asking, { name: 'AbortError' })
  await eventually('the log says so', () => served.log().some(({ abortedBy }) => abortedBy === 'client'))
  t.same(statuses(served), [503])
})

t.test('a response too large to buffer reaches the client all the same', async (t) => {
  const body = 'x'.repeat(200_000)
  const google = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(503).end(body))
  })
  const { url } = await startServed(t, { proxy, baseUrl: await listenOn(t, google) })
  for (const init of [{}, { method: 'POST', body: 'x' }]) {
    const response = await fetch(`${url}studies`, init)
    t.equal(response.status, 503)
    t.equal(await response.text(), body)
  }
})

t.test('a rejection without a clear end is retried by its status, and so is one that breaks off', async (t) => {
  let first = true
  const breaking = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', () => {
      if (!first) {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
        return
      }
      first = false
      socket.write(`HTTP/1.1 503 Unavailable\r\n${length}\r\npartial`, () => socket.resetAndDestroy())
    })
  })
  let length = 'Content-Length: 100\r\n'
  const { url } = await startServed(t, { proxy, baseUrl: await listenOn(t, breaking) })
  for (const init of [{}, { method: 'POST', body: 'x' }]) {
    first = true
    length = 'Content-Length: 100\r\n'
    t.equal(await (await fetch(`${url}studies`, init)).text(), 'ok')
    first = true
    length = ''
    t.equal(await (await fetch(`${url}studies`, init)).text(), 'ok')
  }
})

t.test('URLs in a buffered response are rewritten, too', async (t) => {
  let root = ''
  const google = createServer((request, response) => {
    const text = JSON.stringify({ error: { code: 503, message: `${root}/studies` } })
    request.resume().on('end', () => response.writeHead(503, { 'content-type': 'application/json' }).end(text))
  })
  const baseUrl = await listenOn(t, google)
  const store = 'projects/demo/locations/europe-west4/datasets/imaging/dicomStores/demo/dicomWeb'
  root = `${baseUrl}/${store}`
  const PublicUrl = 'https://pacs.example/google'
  const { url } = await startServed(t, { baseUrl, proxy: { Retry: { TotalTimeout: 1 }, PublicUrl } })
  const response = await fetch(`${url}studies`)
  t.equal(response.status, 503)
  t.match(await response.json(), { error: { message: `${PublicUrl}/google/studies` } })
})

t.test('the waiting: Google doubling to 32 s with up to 1 s at random', (t) => {
  const held = (retryAfter?: string) =>
    ({
      kind: 'buffered',
      response: new BufferedResponse(503, retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
      replayable: true,
    }) as const
  for (const [attempts, wait] of [
    [1, 1000],
    [2, 2000],
    [3, 4000],
    [6, 32_000],
    [9, 32_000],
  ] as const) {
    const waited = backoffDelay(attempts, held())
    t.ok(waited >= wait && waited <= wait + 1000, `${waited} before attempt ${attempts + 1}`)
  }
  t.ok(backoffDelay(1, held('10')) >= 10_000)
  const inTenSeconds = backoffDelay(1, held(new Date(Date.now() + 10_000).toUTCString()))
  t.ok(inTenSeconds > 8_000 && inTenSeconds <= 10_000, 'a date')
  for (const nonsense of ['soon', '-5', '', 'Thu, 01 Jan 1970 00:00:00 GMT'])
    t.ok(backoffDelay(1, held(nonsense)) <= 2000)
  t.end()
})

t.test('only what is safe to repeat is repeated', (t) => {
  t.ok(retryPolicyFor('QIDO-RS', '/studies').statuses.has(500))
  t.notOk(retryPolicyFor('STOW-RS', '/studies').statuses.has(500), 'half of it may be stored')
  t.notOk(retryPolicyFor('DELETE', '/studies/{study}').errors.has('upstream-reset'))
  t.end()
})
