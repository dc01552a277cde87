import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'tap'
import { type SyntheticInstance, syntheticStudy } from '../../../src/emulator/synthetic-study.ts'
import { listenOn } from '../../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../../helpers/served.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const MiB = 1024 * 1024
const maxSentBytes = 64 * MiB
const memoryBytes = MiB
/** Held in this process, with client, proxy and Google's place: what is sent is several times more. */
const maxHeldBytes = memoryBytes + 39 * MiB

function heldBytes(): number {
  collectGarbage()
  // Another thread frees the buffers that were found: the next collection waits for it.
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function* endless(piece: string): Generator<Buffer> {
  const bytes = Buffer.from(piece.repeat(Math.ceil(65_536 / piece.length)))
  for (let sent = 0; sent < maxSentBytes; sent += bytes.length) yield bytes
}

const { headers } = stowOf([])

/** Until the response comes, or all is sent. */
async function send(to: string, body: Iterable<Buffer>) {
  const before = heldBytes()
  let held = 0
  let sent = 0
  const sending = request(`${to}studies`, { method: 'POST', headers })
  sending.on('error', () => {})
  const response = once(sending, 'response') as Promise<[IncomingMessage]>
  let isOver = false
  void response.then(() => (isOver = true))
  for (const chunk of body) {
    if (isOver) break
    if (!sending.write(chunk)) await Promise.race([once(sending, 'drain'), response])
    sent += chunk.length
    if (sent % (16 * MiB) < chunk.length) held = Math.max(held, heldBytes() - before)
  }
  sending.end()
  const [message] = await response
  held = Math.max(held, heldBytes() - before)
  const words = await text(message)
  sending.destroy()
  return { status: message.statusCode, text: words, held, sent }
}

test('hostile multipart bodies', async (t) => {
  const { emulator, url, proxy, log } = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      google: {
        ...demoAccount,
        ServiceAccountFile: serviceAccountFile,
        ParallelStow: { Connections: 4, BatchBytes: 65536, MemoryBytes: memoryBytes },
      },
      plain: { ...demoAccount, ServiceAccountFile: serviceAccountFile },
    }),
  })
  const plainUrl = proxy.accountUrls.get('plain') ?? ''
  const isStored = async ({ studyInstanceUid, seriesInstanceUid, sopInstanceUid, bytes }: SyntheticInstance) => {
    const path = `studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`
    const response = await fetch(`${url}${path}`, { headers: { accept: 'application/dicom; transfer-syntax=*' } })
    return bytes.equals(Buffer.from(await response.arrayBuffer()))
  }

  const part = '--test-boundary\r\nContent-Type: application/dicom\r\n\r\n'
  const malformed: Record<string, { begin: string; piece: string; says: RegExp; early: boolean }> = {
    'a part without end': { begin: part, piece: 'x', says: /ends before its closing boundary/, early: false },
    'a part without end that is full of line ends': {
      begin: part,
      piece: '\r\n--test-boundar',
      says: /ends before its closing boundary/,
      early: false,
    },
    'headers without end': {
      begin: '--test-boundary\r\n',
      piece: 'X-a: b\r\n',
      says: /headers are too long/,
      early: true,
    },
    'a header without end': { begin: '--test-boundary\r\nX: ', piece: 'x', says: /headers are too long/, early: true },
    'spaces without end behind a boundary': {
      begin: '--test-boundary',
      piece: ' ',
      says: /too many spaces/,
      early: true,
    },
    'a preamble without end': { begin: '', piece: 'x', says: /does not begin with the boundary/, early: true },
    'another multipart body around it': {
      begin: '',
      piece: `--other\r\nContent-Type: multipart/related; boundary=inner\r\n\r\n--inner\r\n\r\nx\r\n--inner--\r\n`,
      says: /does not begin with the boundary/,
      early: true,
    },
  }
  for (const [name, { begin, piece, says, early }] of Object.entries(malformed)) {
    await t.test(name, async (t) => {
      const { status, text, held, sent } = await send(url, concatenated(Buffer.from(begin), endless(piece)))
      t.equal(status, 400)
      const problem = JSON.parse(text)
      t.match(problem, { code: 'malformed-request', detail: says })
      t.match(
        log().findLast(({ msg }) => msg === 'request'),
        { status: 400, layer: 'client', instancesStored: undefined },
      )
      if (early) t.ok(sent < maxSentBytes / 4, `refused after ${sent} bytes`)
      t.ok(held < maxHeldBytes, `${held} bytes were held`)
    })
  }

  await t.test(
    'parts without headers, and boundaries where none should be: Google judges, as without batches',
    async (t) => {
      const [instance] = [...syntheticStudy({ seed: 5, instances: 1, rows: 128, columns: 128 })] as [SyntheticInstance]
      const length = `Content-Length: ${instance.bytes.length}\r\n`
      const early = Buffer.concat([
        instance.bytes.subarray(0, -100),
        Buffer.from('\r\n--test-boundary\r\n\r\n'.padEnd(100)),
      ])
      const bodies = {
        'parts without headers': ['--test-boundary\r\n\r\n', instance.bytes],
        'a boundary in the content, which the length spans': [part.replace('\r\n\r\n', `\r\n${length}\r\n`), early],
        'a boundary in the content': [part, early],
      } as const
      for (const [name, [head, content]] of Object.entries(bodies)) {
        const body = [Buffer.from(head), content, Buffer.from('\r\n--test-boundary--')]
        const plain = await send(plainUrl, body)
        const batched = await send(url, body)
        t.ok((plain.status ?? 0) >= 400, `${name}: ${plain.status}`)
        t.equal(batched.status, plain.status, name)
      }
    },
  )

  await t.test('content that looks like boundaries, and a multipart body in it, is stored as it is', async (t) => {
    const texts = [
      '\r\n--test-boundar\r\n\r\n',
      'x--test-boundary\r\n\r\n',
      '\n--test-boundary--\n',
      '\r\n--inner\r\nContent-Type: application/dicom\r\n\r\nx\r\n--inner--\r\n',
    ].join('')
    const study = [...syntheticStudy({ seed: 6, instances: 8, rows: 128, columns: 128 })].map((instance, at) => {
      const bytes = Buffer.from(instance.bytes)
      bytes.write(texts, bytes.length - texts.length - at, 'latin1')
      return { ...instance, bytes }
    })
    const before = emulator.log.length
    const { status } = await send(url, [stowOf(study).body])
    t.equal(status, 200)
    t.ok(emulator.log.slice(before).filter(({ method }) => method === 'POST').length > 1)
    for (const instance of study) if (!(await isStored(instance))) t.fail('Other bytes')
  })
})

test('millions of parts', async (t) => {
  const document = JSON.stringify({ '00081198': { vr: 'SQ', Value: [{ '00081155': { vr: 'UI', Value: ['1.2'] } }] } })
  const google = createServer((request, response) => {
    request.resume().once('end', () => {
      response.writeHead(409, { 'content-type': 'application/dicom+json', 'content-length': document.length })
      response.end(document)
    })
  })
  const { url } = await startServed(t, {
    baseUrl: `${await listenOn(t, google)}/v1/`,
    accounts: ({ serviceAccountFile }) => ({
      google: {
        ...demoAccount,
        ServiceAccountFile: serviceAccountFile,
        ParallelStow: { Connections: 4, BatchBytes: 65536, MemoryBytes: memoryBytes },
      },
    }),
  })
  const { status, text, held, sent } = await send(url, endless('--test-boundary\r\n\r\n\r\n'))
  t.equal(status, 400)
  t.match(JSON.parse(text), { code: 'malformed-request', detail: /more than 200000 parts/ })
  t.ok(sent < maxSentBytes / 4, `refused after ${sent} bytes`)
  t.ok(held < maxHeldBytes, `${held} bytes were held`)
})

function* concatenated(first: Buffer, others: Iterable<Buffer>): Generator<Buffer> {
  if (first.length > 0) yield first
  yield* others
}
