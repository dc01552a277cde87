import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SecureContextOptions } from 'node:tls'
import type { Test } from 'tap'
import { makeCertificate } from './certificate.ts'
import { connectRaw, type RawHttp2 } from './http2-frames.ts'
import { type Served, type ServedOptions, startServed } from './served.ts'

export interface ServedHttp2 extends Served {
  readonly ca: string
  /** A client with a connection of its own. */
  connect(options?: SecureContextOptions): Promise<ClientHttp2Session>
  connectRaw(settings?: Readonly<Record<number, number>>): Promise<RawHttp2>
}

/** The proxy with TLS and HTTP/2. */
export async function startHttp2(t: Test, options: ServedOptions = {}): Promise<ServedHttp2> {
  const { authority: ca, cert, key } = makeCertificate()
  const folder = await mkdtemp(join(tmpdir(), 'http2-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const files = { Certificate: join(folder, 'cert.pem'), Key: join(folder, 'key.pem') }
  await Promise.all([writeFile(files.Certificate, cert), writeFile(files.Key, key)])
  const { Tls, ...proxy } = (options.proxy ?? {}) as { Tls?: object }
  const served = await startServed(t, { ...options, proxy: { ...proxy, Tls: { ...files, Http2: true, ...Tls } } })
  return {
    ...served,
    ca,
    async connect(more = {}) {
      const session = connect(served.proxy.url, { ca, ...more })
      t.teardown(() => session.destroy())
      session.on('error', () => {})
      await once(session, 'connect')
      return session
    },
    async connectRaw(settings) {
      const raw = await connectRaw(served.proxy.url, ca, settings)
      t.teardown(() => raw.socket.destroy())
      return raw
    },
  }
}

export interface Response {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Sends a request, and reads the whole response; rejects if it is cut short. */
export function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: Buffer): Promise<Response> {
  const stream = session.request(headers, { endStream: body === undefined })
  if (body) stream.end(body)
  return responseOf(stream)
}

export async function responseOf(stream: ClientHttp2Stream): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>()
  const chunks: Buffer[] = []
  let headers: IncomingHttpHeaders | null = null
  stream.once('response', (received) => {
    headers = received
  })
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.once('error', reject)
  // A stream that is reset ends as well: the code tells.
  stream.once('close', () => {
    if (!headers || stream.rstCode !== 0) reject(new Error(`Reset with ${stream.rstCode}`))
    else resolve({ status: Number(headers[':status']), headers, body: Buffer.concat(chunks) })
  })
  return promise
}
