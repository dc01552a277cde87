import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setImmediate as immediate } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { Call } from './call.ts'
import type { Fault } from './faults.ts'
import { pause } from './pause.ts'
import type { EmulatorResponse } from './response.ts'

/**
 * How much of an upload is still read after an early response, as a real front end does, before the
 * connection closes.
 */
const lingering = 16 * 1024 * 1024
const lingeringMilliseconds = 2000

/**
 * The two ends of a connection's response side. `socket` is the TCP socket, also under TLS: only
 * that can send a reset.
 */
export interface Wire {
  readonly response: ServerResponse
  readonly socket: Socket
}

/** The fault of a request, and the error response that it asks for. */
export interface Failing {
  readonly fault: Fault
  readonly refuse: (status: number) => EmulatorResponse
}

/**
 * Does the work of one request and sends the response, under a fault if there is one: the only
 * place where faults apply.
 */
export async function serve(
  call: Call,
  wire: Wire,
  { fault, refuse }: Failing,
  work: () => Promise<EmulatorResponse>,
): Promise<void> {
  if (fault.delay) await pause(fault.delay, wire.response)
  if (fault.resetBefore) return reset(wire)
  if (fault.informational) informational(wire, fault.informational)
  call.uploadBandwidth = fault.uploadBandwidth
  call.omitted = { unnamed: fault.unnamed ?? 0, dropped: fault.dropped ?? 0 }
  if (fault.resetDuring !== undefined) call.breakOff = { at: fault.resetDuring, how: () => cut(wire) }
  const result = await respondWithFault({ fault, refuse }, call, work)
  if (result === undefined || wire.response.destroyed) return
  if (fault.lateReset) return reset(wire)
  if (fault.resetInHead) return resetInHead(wire)
  if (fault.brokenChunking) return raw(wire, brokenChunking)
  if (fault.invalidHeaderBytes) return raw(wire, invalidHeaderBytes)
  await send(call, wire, fault, fault.gzip ? compressed(result) : result)
}

async function respondWithFault(
  { fault, refuse }: Failing,
  call: Call,
  work: () => Promise<EmulatorResponse>,
): Promise<EmulatorResponse | undefined> {
  if (fault.earlyResponse) return failure(fault, refuse(fault.earlyResponse))
  if (fault.status === undefined && !fault.reason && !fault.hang && !fault.garbage) return work()
  await call.drain(Number.POSITIVE_INFINITY)
  if (fault.hang) return undefined
  if (fault.garbage) return { status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html><p>Oops' }
  return failure(fault, refuse(fault.status ?? 403))
}

function compressed(result: EmulatorResponse): EmulatorResponse {
  if (typeof result.body === 'object' && !Buffer.isBuffer(result.body)) return result
  return { ...result, headers: { ...result.headers, 'content-encoding': 'gzip' }, body: gzipSync(fixedBody(result)) }
}

function failure(fault: Fault, google: EmulatorResponse): EmulatorResponse {
  if (fault.body === undefined) return google
  return { ...google, body: typeof fault.body === 'string' ? fault.body : JSON.stringify(fault.body) }
}

async function send(call: Call, wire: Wire, fault: Fault, result: EmulatorResponse): Promise<void> {
  const { response } = wire
  const early = !call.received
  head(call, wire, fault, result, early)
  call.record.status = result.status
  if (fault.resetAfterHeaders) return resetAfterHeaders(wire)
  if (call.method !== 'HEAD' && !(await body(wire, fault, result))) return
  // The result is out and whole; ending it now would close the connection over unread bytes, and
  // the reset that this causes can destroy the response on its way (RFC 9112, 9.6). So the upload
  // is read on for a while.
  await Promise.race([call.drain(call.record.bodyBytes + lingering), pause(lingeringMilliseconds, wire.response)])
  call.record.complete = call.received
  response.end()
}

function head(call: Call, { response }: Wire, fault: Fault, result: EmulatorResponse, early: boolean): void {
  const headers: Record<string, string> = { ...result.headers, ...fault.headers }
  const fixed = result.body === undefined || typeof result.body === 'string' || Buffer.isBuffer(result.body)
  if (fixed && result.status !== 204) headers['content-length'] = String(Buffer.byteLength(fixedBody(result)))
  if (early) headers.connection = 'close'
  for (let left = fault.hugeHeaders ?? 0, n = 0; left > 0; left -= 1024, n += 1)
    headers[`x-huge-${n}`] = 'h'.repeat(1000)
  response.writeHead(result.status, headers)
  if (call.method !== 'HEAD') response.flushHeaders()
}

function fixedBody(result: EmulatorResponse): string | Buffer {
  return typeof result.body === 'string' || Buffer.isBuffer(result.body) ? result.body : ''
}

/** Writes the body with backpressure; false when it was not to come to its end. */
async function body(wire: Wire, fault: Fault, result: EmulatorResponse): Promise<boolean> {
  let left = fault.truncate ?? fault.stall ?? Number.POSITIVE_INFINITY
  for await (const chunk of pieces(result, fault.bandwidth)) {
    const piece = chunk.length > left ? chunk.subarray(0, left) : chunk
    left -= piece.length
    await write(wire.response, piece)
    if (wire.response.destroyed) return false
    if (left === 0) break
    if (fault.bandwidth) await pause((piece.length / fault.bandwidth) * 1000, wire.response)
  }
  if (fault.truncate !== undefined) wire.response.destroy()
  return fault.truncate === undefined && fault.stall === undefined
}

async function* pieces(result: EmulatorResponse, bandwidth?: number): AsyncGenerator<Buffer> {
  const source =
    typeof result.body === 'object' && !Buffer.isBuffer(result.body) ? result.body : [Buffer.from(fixedBody(result))]
  // A slow response comes in small steps, ten in a second.
  const step = bandwidth ? Math.max(1, Math.floor(bandwidth / 10)) : Number.POSITIVE_INFINITY
  for await (const chunk of source) {
    if (chunk.length <= step) yield chunk
    else for (let at = 0; at < chunk.length; at += step) yield chunk.subarray(at, at + step)
  }
}

function write(response: ServerResponse, chunk: Buffer): Promise<void> | undefined {
  if (chunk.length === 0 || response.destroyed || response.write(chunk)) return undefined
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
  })
}

function informational({ response }: Wire, status: 102 | 103): void {
  if (status === 102) response.writeProcessing()
  else response.writeEarlyHints({ link: '</hint>; rel=preload' })
}

function reset({ socket }: Wire): void {
  socket.resetAndDestroy()
}

/** The same, and anything that the work still returns finds no connection. */
function cut(wire: Wire): void {
  reset(wire)
  wire.response.destroy()
}

function resetInHead(wire: Wire): void {
  wire.response.socket?.write('HTTP/1.1 200 OK\r\ncontent-type: appl', () => reset(wire))
}

async function resetAfterHeaders(wire: Wire): Promise<void> {
  wire.response.flushHeaders()
  await immediate()
  reset(wire)
}

const brokenChunking = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\nworld\r\n0\r\n\r\n'
const invalidHeaderBytes = 'HTTP/1.1 200 OK\r\nx-bad: a\u0000b\u0007\r\ncontent-length: 2\r\n\r\n[]'

/** Bytes that ServerResponse would refuse to write. */
function raw({ response }: Wire, bytes: string): void {
  response.socket?.end(Buffer.from(bytes, 'latin1'))
}
