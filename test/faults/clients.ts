import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Message, readMessages } from '../helpers/messages.ts'
import { runHttp2Client } from './http2-client.ts'
import type { ServiceRequest } from './services.ts'

/**
 * `leaves`: in the middle of an upload, or with a search, retrieval or deletion in flight, it
 * closes its connection; `leaves during the response`: as soon as the first of it has come.
 * `half-closes`: with the whole request at Google, it closes its sending side, and reads on.
 * `speaks HTTP/2` stays, and `resets its stream` of HTTP/2 is one that leaves.
 */
export const clients = [
  'stays',
  'sends slowly',
  'leaves',
  'leaves during the response',
  'half-closes',
  'speaks HTTP/2',
  'resets its stream',
] as const
export type Client = (typeof clients)[number]

/**
 * How much of its upload a client sends that leaves in the middle: in batches, the first of two
 * instances is on its way then.
 */
export const sentShare = 0.75

/** Whether it does not wait for the response with both sides open. */
export function isImpatient(client: Client): boolean {
  return client === 'leaves' || client === 'half-closes' || client === 'resets its stream'
}

export function speaksHttp2(client: Client): boolean {
  return client === 'speaks HTTP/2' || client === 'resets its stream'
}

/** What a client has got in the end. */
export type Got =
  /** A whole response, by its own framing. */
  | { readonly kind: 'response'; readonly response: Message }
  /** The connection was reset, or closed within a response. */
  | { readonly kind: 'cut' }
  /** The connection was closed without a byte. */
  | { readonly kind: 'closed' }
  /** It did not wait for a response. */
  | { readonly kind: 'left' }

export interface Exchange {
  /** Of the proxy. */
  readonly url: string
  /** Who has signed its certificate. */
  readonly ca: string
  readonly request: ServiceRequest
  /**
   * Resolves when the request is in flight as far as it gets; an impatient client goes on then.
   */
  readonly inFlight: () => Promise<void>
  /** Whether the first try has ended. */
  readonly isTried: () => boolean
}

/**
 * Milliseconds between the pieces of a slow client, and how many these are: at most 0.6 s in all.
 */
const pause = 30
const pieces = 10
/**
 * Milliseconds that Google's place waits before the fault, so that what the client does then comes
 * before what the fault does.
 */
export const headStart = 300

/**
 * Sends one request in the client's way, and tells what came of it. The connection is gone then.
 */
export async function runClient(client: Client, exchange: Exchange): Promise<Got> {
  if (client === 'speaks HTTP/2' || client === 'resets its stream') return runHttp2Client(client, exchange)
  const { url, request, inFlight, isTried } = exchange
  const { hostname, port, pathname } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  const lines = [`${request.method} ${pathname}${request.path} HTTP/1.1`, 'Host: localhost', ...request.headers, '', '']
  const head = Buffer.from(lines.join('\r\n'))
  try {
    await once(socket, 'connect')
    // It must not see a response that comes quickly.
    if (client === 'leaves') socket.pause()
    const got = responseOn(socket)
    const gone = new AbortController()
    void got.then(() => gone.abort())
    switch (client) {
      case 'stays':
        socket.write(Buffer.concat([head, request.body]))
        return await got
      case 'half-closes':
        socket.write(Buffer.concat([head, request.body]))
        await inFlight()
        socket.end()
        return await got
      case 'sends slowly':
        await sendSlowly(socket, Buffer.concat([head, request.body]), isTried, gone.signal)
        return await got
      case 'leaves during the response':
        socket.write(Buffer.concat([head, request.body]))
        await once(socket, 'data')
        return { kind: 'left' }
      case 'leaves':
        socket.write(Buffer.concat([head, request.body.subarray(0, request.body.length * sentShare)]))
        await inFlight()
        return { kind: 'left' }
    }
  } finally {
    socket.destroy()
  }
}

/** The last piece waits a while longer for what a fault may do to the first ones. */
async function sendSlowly(socket: Socket, bytes: Buffer, isTried: () => boolean, signal: AbortSignal): Promise<void> {
  const wait = () => delay(pause, undefined, { signal }).catch(() => {})
  const size = Math.ceil(bytes.length / pieces)
  for (let at = 0; at < bytes.length && !signal.aborted; at += size) {
    const isLast = at + size >= bytes.length
    for (let waits = 0; isLast && waits < pieces && !isTried(); waits++) await wait()
    socket.write(bytes.subarray(at, at + size))
    if (!isLast) await wait()
  }
}

/** Waits for a whole response, or the end of the connection. */
function responseOn(socket: Socket): Promise<Got> {
  const { promise, resolve } = Promise.withResolvers<Got>()
  let bytes: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk])
    const [response] = readMessages(bytes).messages
    if (response) resolve({ kind: 'response', response })
  })
  socket.once('end', () => resolve({ kind: bytes.length > 0 ? 'cut' : 'closed' }))
  socket.on('error', () => resolve({ kind: 'cut' }))
  return promise
}
