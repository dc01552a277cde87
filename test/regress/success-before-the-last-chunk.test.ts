// Seen: a store had all of an upload and said so before the client's last chunk had come, or its
// END_STREAM over HTTP/2. The client was told to search for what may not be stored.
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http2'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { startHttp2 } from '../helpers/http2.ts'
import { listenOn } from '../helpers/listen.ts'
import { startServed, stowOf } from '../helpers/served.ts'

t.jobs = 2

const instances = [...syntheticStudy({ instances: 2, rows: 256, columns: 256 })]
const items = instances.map(({ sopInstanceUid }) => ({ '00081155': { vr: 'UI', Value: [sopInstanceUid] } }))
const document = JSON.stringify({ '00081199': { vr: 'SQ', Value: items } })

/** A store that responds once it has read the closing delimiter, or all by Content-Length. */
async function startStore(t: Test): Promise<string> {
  const google = createServer((incoming, outgoing) => {
    let body = Buffer.alloc(0)
    const respond = () => {
      const headers = { 'content-type': 'application/dicom+json', 'content-length': document.length }
      if (!outgoing.headersSent) outgoing.writeHead(200, headers).end(document)
    }
    incoming.on('error', () => {}).on('end', respond)
    incoming.on('data', (piece: Buffer) => {
      body = Buffer.concat([body, piece])
      if (body.includes('\r\n--test-boundary--')) respond()
    })
  })
  return `${await listenOn(t, google)}/v1/`
}

t.test('a success after the closing delimiter is one, also before the last chunk', async (t) => {
  const { url } = await startServed(t, { baseUrl: await startStore(t) })
  const { headers, body } = stowOf(instances)
  const sending = request(`${url}studies`, { method: 'POST', headers, agent: false })
  sending.on('error', () => {})
  const response = once(sending, 'response') as Promise<[IncomingMessage]>
  // Within the closing delimiter.
  sending.write(body.subarray(0, -7))
  sending.write(body.subarray(-7))
  const [message] = await response
  t.equal((await buffer(message)).toString(), document)
  t.equal(message.statusCode, 200)
  sending.destroy()
})

t.test('a success after the last byte by Content-Length is one, also before END_STREAM', async (t) => {
  const { url, connect } = await startHttp2(t, { baseUrl: await startStore(t) })
  const [instance] = instances
  if (!instance) throw new Error('The study is empty.')
  const session = await connect()
  const headers = {
    'content-type': 'application/dicom',
    'content-length': instance.bytes.length,
    accept: 'application/dicom+json',
  }
  const sending = session.request(
    { ...headers, ':method': 'POST', ':path': `${new URL(url).pathname}studies` },
    { endStream: false },
  )
  sending.on('error', () => {})
  const response = once(sending, 'response') as Promise<[IncomingHttpHeaders & { ':status': number }]>
  sending.write(instance.bytes)
  const [received] = await response
  t.equal((await buffer(sending)).toString(), document)
  t.equal(received[':status'], 200)
  sending.destroy()
})
