import { once } from 'node:events'
import { get, request as httpRequest, type IncomingMessage } from 'node:http'
import { get as secureGet } from 'node:https'
import { test } from 'tap'
import { demoStore, type Fault, startEmulator } from '../../src/emulator/emulator.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { eventually } from '../helpers/eventually.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { instancePath, postForm, startSession } from './session.ts'

test('faults of the DICOM store', async (t) => {
  const { emulator, request, store, token } = await startSession(t)
  const study = [...syntheticStudy({ instances: 2 })]
  await store(study)
  const path = instancePath(study[0])
  const headers = { authorization: `Bearer ${token}`, accept: 'application/dicom' }
  const size = study[0]?.bytes.length ?? 0
  t.beforeEach(() => emulator.faults.clear())

  /** The bytes of an instance that came until the connection ended, and how it ended. */
  async function retrieve(): Promise<{ status: number | undefined; bytes: number; end: string }> {
    const retrieval = get(emulator.dicomWebUrl() + path, { headers, agent: false })
    const [response] = (await once(retrieval, 'response')) as [IncomingMessage]
    // Both get the reset; the test looks at the response's.
    retrieval.on('error', () => undefined)
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    const end = await new Promise<string>((resolve) => {
      response.once('end', () => resolve('end'))
      response.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
    })
    return { status: response.statusCode, bytes, end }
  }
  const search = (fault: Partial<Fault>, times = 1) => {
    emulator.faults.add({ target: 'QIDO-RS', times, ...fault })
    return request('/studies')
  }
  /** The whole response to one search, as bytes. */
  const rawSearch = async (fault: Partial<Fault>) => {
    emulator.faults.add({ target: 'QIDO-RS', times: 1, ...fault })
    const target = `${new URL(emulator.dicomWebUrl()).pathname}/studies`
    const head = `GET ${target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\nconnection: close\r\n\r\n`
    return (await rawRequest(emulator.url, head)).toString('latin1')
  }

  t.test('status with headers, so many times, after so many', async (t) => {
    emulator.faults.add({ target: 'QIDO-RS', status: 429, headers: { 'retry-after': '7' }, skip: 1, times: 2 })
    const seen: unknown[] = []
    for (let n = 0; n < 4; n += 1) seen.push((await request('/studies')).status)
    t.same(seen, [200, 429, 429, 200])
    const response = await search({ status: 503, headers: { 'retry-after': '7' } })
    t.equal(response.headers.get('retry-after'), '7')
    t.match(await response.json(), { error: { code: 503, status: 'UNAVAILABLE' } })
    t.equal(await (await search({ status: 200, body: 'own' })).text(), 'own')
    t.equal((await search({ status: 204 })).status, 204)
  })

  t.test('only the service and the store that are named', async (t) => {
    emulator.faults.add({ target: 'WADO-RS', status: 500 })
    emulator.faults.add({ target: 'QIDO-RS', store: 'projects/other', status: 500 })
    t.equal((await request('/studies')).status, 200)
    t.equal((await request(path)).status, 500)
    const remove = emulator.faults.add({ target: 'QIDO-RS', store: demoStore, status: 500 })
    t.equal((await request('/studies')).status, 500)
    remove()
    t.equal((await request('/studies')).status, 200)
  })

  t.test('resets', async (t) => {
    await t.rejects(search({ resetBefore: true }), { cause: { code: 'ECONNRESET' } })
    await t.rejects(search({ resetInHead: true }), { cause: { code: 'ECONNRESET' } })
    emulator.faults.add({ target: 'WADO-RS', resetAfterHeaders: true, times: 1 })
    t.match(await retrieve(), { status: 200, end: 'ECONNRESET' })
    t.match(await retrieve(), { status: 200, bytes: size, end: 'end' })
  })

  t.test('a late reset comes when the work is done', async (t) => {
    const other = [...syntheticStudy({ instances: 1, seed: 5 })]
    emulator.faults.add({ target: 'STOW-RS', lateReset: true, times: 1 })
    await t.rejects(store(other))
    t.equal((await request(instancePath(other[0]))).status, 200)
  })

  t.test('a reset while the body still comes stores nothing, and spares a smaller body', async (t) => {
    const other = [...syntheticStudy({ instances: 1, seed: 6 })]
    emulator.faults.add({ target: 'STOW-RS', resetDuring: 1_000, times: 1 })
    await t.rejects(store(other))
    t.equal((await request(instancePath(other[0]))).status, 404)
    emulator.faults.add({ target: 'STOW-RS', resetDuring: 1_000_000, times: 1 })
    await store(other)
    t.equal((await request(instancePath(other[0]))).status, 200)
  })

  t.test('truncation, with a promised length and chunked', async (t) => {
    emulator.faults.add({ target: 'WADO-RS', truncate: 100 })
    t.same(await retrieve(), { status: 200, bytes: 100, end: 'ECONNRESET' })
    const multipart = { accept: 'multipart/related; type="application/dicom"' }
    await t.rejects(request(path, { headers: multipart }).then((response) => response.arrayBuffer()))
  })

  t.test('a stall', async (t) => {
    emulator.faults.add({ target: 'WADO-RS', stall: 100 })
    const controller = new AbortController()
    const response = await request(path, { headers: { accept: 'application/dicom' }, signal: controller.signal })
    const reader = response.body?.getReader()
    t.equal((await reader?.read())?.value?.length, 100)
    const more = Promise.resolve(reader?.read())
    t.equal(await Promise.race([more, new Promise((resolve) => setTimeout(resolve, 100, 'nothing'))]), 'nothing')
    controller.abort()
    await t.rejects(more)
  })

  t.test('delay, bandwidth down and up', async (t) => {
    const timed = async (work: () => Promise<unknown>) => {
      const start = performance.now()
      await work()
      return performance.now() - start
    }
    t.ok((await timed(() => search({ delay: 150 }))) >= 145)
    t.ok((await timed(() => t.rejects(search({ delay: 150, resetBefore: true })))) >= 145)
    emulator.faults.add({ target: 'WADO-RS', bandwidth: size * 4 })
    t.ok((await timed(retrieve)) >= 200)
    emulator.faults.add({ target: 'STOW-RS', uploadBandwidth: 2 * size * 4 })
    t.ok((await timed(() => store(study))) >= 200)
  })

  t.test('an early response does not wait for the upload', async (t) => {
    emulator.faults.add({ target: 'STOW-RS', earlyResponse: 403 })
    const options = {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/dicom' },
      agent: false as const,
    }
    const upload = httpRequest(`${emulator.dicomWebUrl()}/studies`, options)
    upload.on('error', () => undefined)
    upload.write(Buffer.alloc(100_000))
    const [response] = (await once(upload, 'response')) as [IncomingMessage]
    t.same([response.statusCode, response.headers.connection], [403, 'close'])
    upload.destroy()
  })

  t.test('responses that are invalid HTTP', async (t) => {
    t.match(await rawSearch({ informational: 103 }), /^HTTP\/1.1 103 [\s\S]*HTTP\/1.1 200 OK/)
    t.match(await rawSearch({ informational: 102 }), /^HTTP\/1.1 102 [\s\S]*HTTP\/1.1 200 OK/)
    t.match(await rawSearch({ brokenChunking: true }), /\r\nzz\r\n/)
    t.match(await rawSearch({ invalidHeaderBytes: true }), 'a\u0000b\u0007')
    t.match(await rawSearch({ gzip: true }), /\r\ncontent-encoding: gzip\r\n/)
    t.same(await (await search({ gzip: true })).json(), await (await request('/studies')).json())
    t.ok((await rawSearch({ hugeHeaders: 100_000 })).indexOf('\r\n\r\n') > 90_000)
    await t.rejects(search({ brokenChunking: true }).then((response) => response.text()))
    await t.rejects(search({ invalidHeaderBytes: true }))
    await t.rejects(search({ hugeHeaders: 100_000 }))
  })

  t.test('no response at all', async (t) => {
    emulator.faults.add({ target: 'QIDO-RS', hang: true })
    const held = request('/studies', { signal: AbortSignal.timeout(100) })
    await eventually('it is there', () => emulator.log.at(-1)?.ended === false)
    await t.rejects(held, { name: 'TimeoutError' })
    await eventually('it is over', () => emulator.log.at(-1)?.ended === true)
  })
})

test('faults of the token endpoints', async (t) => {
  const { emulator, credentials } = await startSession(t)
  const { clientId: client_id, clientSecret: client_secret, refreshToken: refresh_token } = credentials.authorizedUser
  const ask = () =>
    postForm(emulator.tokenUrl, { grant_type: 'refresh_token', client_id, client_secret, refresh_token })
  t.beforeEach(() => emulator.faults.clear())

  t.test('an OAuth error', async (t) => {
    emulator.faults.add({ target: 'token', status: 400, body: { error: 'invalid_grant' }, times: 1 })
    const response = await ask()
    t.same([response.status, await response.json()], [400, { error: 'invalid_grant' }])
    t.equal((await ask()).status, 200)
  })

  t.test('no JSON, a hang, a reset', async (t) => {
    emulator.faults.add({ target: 'token', garbage: true, times: 1 })
    await t.rejects((await ask()).json(), { name: 'SyntaxError' })
    emulator.faults.add({ target: 'token', resetBefore: true, times: 1 })
    await t.rejects(ask(), { cause: { code: 'ECONNRESET' } })
  })

  t.test('one grant only', async (t) => {
    emulator.faults.add({ target: 'token', grant: 'metadata', status: 500 })
    t.equal((await ask()).status, 200)
    const url = `http://${emulator.metadataHost}/computeMetadata/v1/instance/service-accounts/default/token`
    t.equal((await fetch(url, { headers: { 'metadata-flavor': 'Google' } })).status, 500)
  })
})

test('the same over TLS, down to a reset', async (t) => {
  const { key, cert, authority } = makeCertificate()
  const emulator = await startEmulator({ tls: { key, cert } })
  t.teardown(() => emulator.close())
  const search = () => once(secureGet(`${emulator.dicomWebUrl()}/studies`, { ca: authority, agent: false }), 'response')
  const [response] = (await search()) as [IncomingMessage]
  t.equal(response.statusCode, 401)
  response.resume()
  emulator.faults.add({ target: 'QIDO-RS', resetBefore: true })
  await t.rejects(search(), { code: 'ECONNRESET' })
})

test('an emulator ends although faults hold its requests', async (t) => {
  const { emulator, request, store } = await startSession(t)
  const study = [...syntheticStudy({ instances: 1 })]
  t.equal((await store(study)).status, 200, 'there is something to stall at')
  const faults = [{ hang: true }, { delay: 600_000 }, { stall: 0 }, { bandwidth: 0.001 }]
  for (const fault of faults) emulator.faults.add({ target: 'QIDO-RS', times: 1, ...fault })
  emulator.faults.add({ target: 'STOW-RS', uploadBandwidth: 0.001 })
  const held = [...faults.map(() => request('/studies').then((response) => response.text())), store(study)]
  const ends = Promise.allSettled(held)
  await eventually('all are on their way', () => emulator.log.length > faults.length + 2)
  await emulator.close()
  t.ok((await ends).every(({ status }) => status === 'rejected'))
})
