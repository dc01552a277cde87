// Seen: a large instance that passes as it arrives was sent again. What came of it while Google had
// its beginning a second time woke the attempt before, which took it: it was missing in the middle.
// And what came while the second attempt waited could be too much to be kept: then all between the
// beginning and the end was missing. Google was told in both cases that the instance was whole.
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { demoAccount, startServed, stowOf } from '../helpers/served.ts'

interface Status {
  readonly accounts: readonly { inFlight: { requests: readonly { received: number }[] } }[]
}

const kiB = 1024
const MiB = 1024 * kiB

/** An upload of one instance, whose attempts Google responds to when the test says so. */
async function startUpload(t: Test, BatchBytes: number) {
  const attempts: { incoming: IncomingMessage; outgoing: ServerResponse }[] = []
  const google = createServer((incoming, outgoing) => void attempts.push({ incoming, outgoing }))
  const { url, proxy } = await startServed(t, {
    baseUrl: `${await listenOn(t, google)}/v1/`,
    accounts: ({ serviceAccountFile }) => ({
      google: { ...demoAccount, ServiceAccountFile: serviceAccountFile, ParallelStow: { BatchBytes } },
    }),
    proxy: { Retry: { TotalTimeout: 60 } },
  })
  const sending = request(`${url}studies`, { method: 'POST', headers: stowOf([]).headers })
  t.teardown(() => sending.destroy())
  const response = once(sending, 'response') as Promise<[IncomingMessage]>
  const content: Buffer[] = []
  let written = 0
  const write = (bytes: Buffer | string) => {
    written += bytes.length
    sending.write(bytes)
  }
  write('--test-boundary\r\nContent-Type: application/dicom\r\n\r\n')

  const received = () =>
    eventually('the proxy has read all', async () => {
      const status = (await (await fetch(`${proxy.adminUrl}/api/status`)).json()) as Status
      return status.accounts[0]?.inFlight.requests[0]?.received === written
    })
  const attempt = async (number: number) => {
    await eventually(`attempt ${number}`, () => attempts.length === number)
    const { incoming, outgoing } = attempts[number - 1] ?? {}
    if (!incoming || !outgoing) throw new Error('No attempt')
    return { incoming, outgoing }
  }
  return {
    received,
    attempt,
    /** More of the instance: no two places of it are alike. */
    writeContent(length: number) {
      const bytes = Buffer.alloc(length)
      for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32BE(content.length * 0x4000000 + at, at)
      content.push(bytes)
      write(bytes)
    },
    end: () => sending.end('\r\n--test-boundary--\r\n'),
    /** Google responds when it has so many bytes. */
    async refuse(number: number, bytes: number, status: number) {
      const { incoming, outgoing } = await attempt(number)
      let arrived = 0
      incoming.on('data', (chunk: Buffer) => (arrived += chunk.length))
      await eventually('all has arrived that has come', () => arrived >= bytes)
      outgoing.writeHead(status, { 'content-length': 0 }).end()
    },
    async expectWhole(number: number) {
      const { incoming, outgoing } = await attempt(number)
      const got = await buffer(incoming)
      const body = JSON.stringify({ '00081199': { vr: 'SQ', Value: [{ '00081155': { vr: 'UI', Value: ['1.2'] } }] } })
      outgoing.writeHead(200, { 'content-type': 'application/dicom+json', 'content-length': body.length }).end(body)
      const [message] = await response
      t.equal(message.statusCode, 200)
      message.resume()
      const back = got.subarray(got.indexOf('\r\n\r\n') + 4, got.lastIndexOf('\r\n--test-boundary--'))
      const sent = Buffer.concat(content)
      t.equal(back.length, sent.length)
      t.ok(back.equals(sent), 'byte for byte')
    },
  }
}

t.test('what comes of an instance while it is sent again arrives once, in its place', async (t) => {
  // More than the sockets hold: the second attempt is at its beginning when more comes.
  const upload = await startUpload(t, 16 * MiB)
  upload.writeContent(16 * MiB + 100)
  await upload.received()
  await upload.refuse(1, 16 * MiB, 401)
  await upload.attempt(2)
  for (let more = 0; more < 4; more += 1) {
    upload.writeContent(50_000)
    await upload.received()
  }
  upload.end()
  await upload.expectWhole(2)
})

t.test('what comes of an instance before it is sent again takes nothing from it', async (t) => {
  const upload = await startUpload(t, 64 * kiB)
  // A MiB beyond the batch is kept.
  upload.writeContent(1000 * kiB)
  await upload.received()
  await upload.refuse(1, 1000 * kiB, 503)
  // While the proxy waits for a second or two, or as soon as it reads on.
  upload.writeContent(200 * kiB)
  upload.end()
  await upload.expectWhole(2)
})
