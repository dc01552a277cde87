import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { largeInstance, multipart, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { demoAccount, type ServedOptions, startServed, stowOf } from '../helpers/served.ts'

/**
 * More for a proof, such as RELOAD_REQUESTS=20000; as many for the tests of every day as take a few
 * seconds.
 */
const wanted = Number(process.env.RELOAD_REQUESTS ?? 1_500)
const reloads = 20
const atOnce = 8
const emulator = { tokenLifetime: 3_599 }

/** Each reload changes something else: connections, limits, accounts, credentials. */
function configurationOf(round: number): ServedOptions {
  const proxy = [
    { Timeouts: { Idle: 100 + round } },
    { Concurrency: { MaxInFlight: 32 + round } },
    { Retry: { TotalTimeout: 0, BufferTotal: 1_000_000 + round } },
    { DeletionWait: round, PublicUrl: `http://127.0.0.1:${1000 + round}` },
  ][round % 4]
  return {
    proxy: proxy ?? {},
    accounts: ({ serviceAccountFile, authorizedUserFile }) => ({
      stays: { ...demoAccount, AuthorizedUserFile: authorizedUserFile },
      changes: {
        ...demoAccount,
        ...(round % 2 ? { ServiceAccountFile: serviceAccountFile } : { AuthorizedUserFile: authorizedUserFile }),
        ...(round % 3 ? { QuotaProject: 'demo' } : {}),
      },
      [`round-${round}`]: { ...demoAccount, ServiceAccountFile: serviceAccountFile },
    }),
  }
}

t.test('no request fails while the configuration changes under load', { timeout: 600_000 }, async (t) => {
  const served = await startServed(t, { emulator, ...configurationOf(0) })
  const { origin } = new URL(served.url)
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())

  async function send(method: string, path: string, headers = {}, body?: Buffer): Promise<number> {
    const sent = httpRequest(`${origin}/${path}`, { agent, method, headers }).end(body)
    const [response] = (await once(sent, 'response')) as [IncomingMessage]
    const bytes = await buffer(response)
    if (!response.complete || bytes.length === 0) throw new Error(`${method} ${path}: cut`)
    return response.statusCode ?? 0
  }
  const study = [...syntheticStudy({ instances: 2, rows: 128, columns: 128 })]
  const { headers, body } = stowOf(study)
  const retrieving = `studies/${study[0]?.studyInstanceUid}`
  const accept = { accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' }
  const kinds = [
    (account: string) => send('GET', `${account}/studies?limit=1`),
    (account: string) => send('GET', `${account}/${retrieving}`, accept),
    (account: string) => send('GET', `${account}/${retrieving}/metadata`),
    (account: string) => send('POST', `${account}/studies`, headers, body),
  ]
  t.equal(await kinds[3]?.('google'), 200)

  let done = 0
  let round = 0
  let enough = false
  const failures: string[] = []
  const perRound: number[] = []
  const work = async (at: number) => {
    for (let turn = at; !enough; turn++) {
      const account = ['google', 'stays', 'changes'][turn % 3] ?? ''
      const kind = turn % 8 === 7 ? 3 : turn % 8 === 6 ? 1 : turn % 4 === 1 ? 2 : 0
      const outcome = await kinds[kind]?.(account).catch((error: Error) => error.message)
      if (outcome !== 200) failures.push(`${account} ${kind}: ${outcome}`)
      done += 1
    }
  }

  // An upload and a retrieval that last from before the first reload until after the last.
  const large = largeInstance({ bytes: 24 * 1024 * 1024, seed: 7 })
  const upload = multipart([large], 'long-upload')
  const uploading = httpRequest(`${origin}/round-0/studies`, {
    method: 'POST',
    agent: false,
    headers: { 'content-type': upload.contentType, accept: 'application/dicom+json' },
  })
  const uploaded = once(uploading, 'response') as Promise<[IncomingMessage]>
  const chunks = upload.chunks[Symbol.iterator]()
  const sendSome = (count: number) => {
    for (let at = 0; at < count; at++) {
      const { value, done } = chunks.next()
      if (done) return uploading.writableEnded || uploading.end()
      uploading.write(value)
    }
  }
  sendSome(10)
  const whole = largeInstance({ bytes: 24 * 1024 * 1024, seed: 8 })
  const stored = multipart([whole], 'stored')
  t.equal(
    await send('POST', 'google/studies', { 'content-type': stored.contentType }, Buffer.concat([...stored.chunks])),
    200,
  )
  const downloading = httpRequest(`${origin}/round-0/studies/${whole.studyInstanceUid}`, {
    agent: false,
    headers: accept,
  })
  const [download] = (await once(downloading.end(), 'response')) as [IncomingMessage]
  const first = download.read() as Buffer | null
  await eventually('both are in flight', () =>
    served.emulator.log.some((one) => one.method === 'POST' && !one.complete),
  )

  const startedAt = performance.now()
  const workers = Array.from({ length: atOnce }, (_, at) => work(at))
  while (round < reloads) {
    const before = done
    round += 1
    await served.reload(configurationOf(round))
    const [fresh, gone] = await Promise.all([
      send('GET', `round-${round}/studies?limit=1`),
      send('GET', `round-${round - 1}/studies?limit=1`),
    ])
    if (fresh !== 200) failures.push(`new account: ${fresh}`)
    if (gone !== 404) failures.push(`account that is gone: ${gone}`)
    done += 2
    sendSome(15)
    await eventually('requests were served by it', () => done - before >= wanted / reloads, 60_000)
    perRound.push(done - before)
  }
  enough = true
  await Promise.all(workers)
  const seconds = (performance.now() - startedAt) / 1000

  sendSome(Number.POSITIVE_INFINITY)
  const [response] = await uploaded
  t.equal(response.statusCode, 200, 'the upload')
  t.match(JSON.parse(String(await buffer(response)))['00081199'].Value.length, 1)
  const rest = await buffer(download)
  t.ok(download.complete, 'the retrieval')
  const bytes = Buffer.concat([...(first ? [first] : []), rest])
  t.ok(bytes.includes(Buffer.concat([...whole.chunks()])), 'is whole, each byte of it')
  t.same(failures, [])
  t.ok(done >= wanted)
  t.ok(perRound.every((count) => count > 0))
  t.comment(`${done} requests across ${reloads} reloads in ${seconds.toFixed(1)} s: ${failures.length} failed`)
})
