import { EventEmitter } from 'node:events'
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { finished, pipeline } from 'node:stream'
import type { UpstreamTimeouts } from '../config/settings.ts'
import { JoinedChunks } from '../downstream/joined-chunks.ts'
import { clientStalled, Pace, watchReading } from '../downstream/min-rate.ts'
import { bodyRefused, refusalOf } from '../downstream/refused-body.ts'
import { resetResponse } from '../downstream/reset-response.ts'
import { bug, ProxyError } from '../errors.ts'
import { BufferedResponse } from './buffered-response.ts'
import { keepReadingAfterWriteError } from './early-response.ts'
import type { Exchange, Outcome } from './exchange.ts'
import type { ReplayBody } from './replay-body.ts'
import {
  beginResponse,
  maxInformational,
  noFinalResponse,
  readingStages,
  rewritingStages,
  shouldBuffer,
} from './response.ts'
import { upstreamFailure } from './upstream-failure.ts'
import type { UrlRewriter } from './url-rewriter.ts'

/** What comes after these many headers, Node drops without a word. */
const maxHeaders = 1000

interface UploadEvents {
  connection: [upstream: ClientRequest]
  answer: [answer: IncomingMessage]
  failure: [error: unknown]
  /** Emitted by us: http-proxy then ends the upstream request. */
  aborted: []
}

/** All that http-proxy gets to see of a request: what it reads, with headers that we built. */
export class UploadRequest extends EventEmitter<UploadEvents> {
  readonly method = 'POST'
  readonly url = ''
  readonly headers: Readonly<Record<string, string>>
  /** http-proxy looks here before it calls an error an error. */
  readonly socket = { destroyed: false }

  constructor(headers: Readonly<Record<string, string>>) {
    super()
    this.headers = headers
  }
}

/**
 * One upload and its answer. The answer may come while the body still flows: a 403, say, is passed on at once, and the body
 * goes on until the answer has ended; one that is held back stops the body, which may have to be sent once more.
 */
export class Upload {
  readonly request: UploadRequest
  readonly #exchange: Exchange
  readonly #response: ServerResponse
  readonly #progress: Exchange['progress']
  readonly #body: ReplayBody
  readonly #timeouts: UpstreamTimeouts
  readonly #resolve: (outcome: Outcome) => void
  readonly #connecting: NodeJS.Timeout
  /** Of the body from the client, while it comes. */
  #pace: Pace | null = null
  #upstream: ClientRequest | null = null
  #status: number | null = null
  /** What broke Google's answer. */
  #failure: Error | null = null
  /** What the answer's way to the client ended with. */
  #broken: unknown
  #settled = false

  constructor(
    exchange: Exchange,
    headers: Record<string, string>,
    body: ReplayBody,
    timeouts: UpstreamTimeouts,
    resolve: (outcome: Outcome) => void,
  ) {
    this.request = new UploadRequest(headers)
    this.#exchange = exchange
    this.#response = exchange.response
    this.#progress = exchange.progress
    this.#body = body
    this.#timeouts = timeouts
    this.#resolve = resolve
    this.#connecting = setTimeout(() => this.#fail(notConnected()), timeouts.connect)
    this.#response.on('close', this.#onClose)
    exchange.request.once(bodyRefused, this.#onRefused)
    this.request.on('connection', (upstream) => this.#onConnection(upstream))
    this.request.on('answer', (answer) => this.#onResponse(answer))
    this.request.on('failure', (error) => this.#onBug(error))
  }

  /** For http-proxy: whatever went wrong with the connection to Google. */
  readonly onError = (error: unknown) => {
    if (this.#settled) return
    // While an answer comes, a failed write only says that Google wants no more of the body.
    if (this.#status !== null) this.#body.unpipe()
    else this.#fail(upstreamFailure(error))
  }

  #onConnection(upstream: ClientRequest): void {
    this.#upstream = upstream
    const { socket } = upstream
    if (socket) keepReadingAfterWriteError(socket)
    const isReady = !socket?.connecting && !(socket && 'secureConnecting' in socket && socket.secureConnecting)
    const onReady = () => {
      clearTimeout(this.#connecting)
      upstream.setTimeout(this.#timeouts.idle)
      if (!this.#settled) this.#watchPace(upstream)
    }
    if (isReady) onReady()
    else socket?.once('secureConnecting' in socket ? 'secureConnect' : 'connect', onReady)
    upstream.on('timeout', () => this.#onStall(upstream))
    let informational = 0
    upstream.on('information', () => {
      if (++informational > maxInformational) this.#fail(noFinalResponse())
    })
    upstream.once('finish', () => {
      this.#pace?.stop()
      if (this.#status === null) upstream.setTimeout(this.#timeouts.answer)
    })
    // Some connections end without an error and without an answer: after a 101, for instance.
    upstream.once('close', () => {
      if (this.#status === null) this.#fail(upstreamFailure({ code: 'ECONNRESET' }))
    })
  }

  #watchPace(upstream: ClientRequest): void {
    const body = { passed: () => this.#progress.received, crowded: this.#exchange.othersWait }
    this.#pace = new Pace(this.#timeouts, body, () => {
      // What waits for Google is not the client's delay; with an answer there, the body does not matter any more.
      if (!upstream.writableNeedDrain && this.#status === null) this.#fail(clientStalled())
    })
  }

  /** Not a byte has moved on the connection to Google for the time allowed. */
  #onStall(upstream: ClientRequest): void {
    // A client that does not read stops Google's answer as well, and is looked after elsewhere.
    if (this.#response.headersSent && this.#response.writableNeedDrain) return
    if (this.#settled || this.#status !== null) upstream.destroy()
    else if (upstream.writableFinished || upstream.writableNeedDrain) this.#fail(noResponse())
    else this.#fail(clientStalled())
  }

  #onResponse(answer: IncomingMessage): void {
    clearTimeout(this.#connecting)
    if (answer.rawHeaders.length >= 2 * maxHeaders) {
      this.#fail(tooManyHeaders())
      return
    }
    joinChunksOf(answer, this.#response)
    this.#status = answer.statusCode ?? 0
    this.#progress.firstByteAt ??= performance.now()
    this.#upstream?.setTimeout(this.#timeouts.idle)
    if (shouldBuffer(this.#exchange, this.#status, answer.headers))
      this.#buffer(answer, new BufferedResponse(this.#status, answer.headers))
    else this.#relay(answer, this.#status)
  }

  #relay(answer: IncomingMessage, status: number, beginning?: Buffer): void {
    // The client may have left a moment ago: a pipeline to it would throw.
    if (this.#settled || this.#response.destroyed) {
      this.#onClose()
      return
    }
    let rewriter: UrlRewriter | null
    try {
      rewriter = beginResponse(this.#exchange, status, answer.headers)
    } catch (error) {
      this.#fail(upstreamFailure(error))
      return
    }
    watchReading(this.#response, this.#timeouts, this.#exchange.othersWait)
    const reader = this.#exchange.observe(status, answer.headers)
    answer.on('data', (chunk: Buffer) => {
      this.#progress.sent += chunk.length
    })
    // Before the pipeline hears of it, which would close the client's connection as if all were well.
    answer.once('error', (error) => {
      if (this.#response.destroyed) return
      this.#failure = error
      resetResponse(this.#response)
    })
    if (beginning) {
      this.#progress.sent += beginning.length
      reader?.push(beginning)
      this.#response.write(rewriter ? rewriter.push(beginning) : beginning)
    }
    // On a failure of either side it destroys the other: a body cut short must not look whole.
    pipeline([answer, ...readingStages(reader), ...rewritingStages(rewriter), this.#response], (error) => {
      this.#broken = error
    })
  }

  /** The client's connection has closed, after the end of its answer or before it. */
  #onResponseClosed(status: number | null): void {
    this.#abandonBody()
    if (this.#response.writableFinished && status !== null) this.#settle({ kind: 'completed', status })
    else
      this.#settle({
        kind: 'aborted',
        by: this.#failure ? 'upstream' : 'client',
        status,
        cause: this.#failure ?? this.#broken,
      })
  }

  #buffer(answer: IncomingMessage, held: BufferedResponse): void {
    if (!this.#upstream?.writableFinished) this.#body.unpipe()
    const settle = (error?: Error | null) => {
      this.#abandonBody()
      const { replayable } = this.#body
      // Of a 401 the status says it all.
      if (!error || held.status === 401) this.#settle({ kind: 'buffered', response: held, replayable })
      // And that of any other held one, that Google took nothing.
      else this.#settle({ kind: 'failed', error: upstreamFailure(error), replayable })
    }
    const stop = finished(answer, settle)
    const onData = (chunk: Buffer) => {
      if (held.add(chunk)) return
      // Too large to hold: it goes to the client after all, but a 401, which no client ever sees.
      stop()
      answer.off('data', onData)
      if (held.status === 401) {
        settle()
        this.#upstream?.destroy()
      } else this.#relay(answer, held.status, held.body)
    }
    answer.on('data', onData)
  }

  /** The client's connection has closed; when that is before the answer's end, Google must not get a body that looks whole. */
  readonly #onClose = () => {
    if (this.#settled) return
    if (this.#response.headersSent) {
      // Its pipeline may never say so: it waits for the rest of an answer that nobody takes any more.
      this.#onResponseClosed(this.#status)
      return
    }
    this.request.emit('aborted')
    this.#settle({ kind: 'aborted', by: 'client', status: null })
  }

  readonly #onRefused = () => {
    const refusal = refusalOf(this.#exchange.request)
    if (refusal) this.#fail(refusal)
  }

  #fail(error: ProxyError): void {
    if (this.#settled) return
    // Once all of it has left, Google may have stored it, whatever became of the answer.
    const replayable = this.#body.replayable && !this.#upstream?.writableFinished
    this.request.emit('aborted')
    this.#body.unpipe()
    this.#settle({ kind: 'failed', error, replayable })
  }

  #settle(outcome: Outcome): void {
    if (this.#settled) return
    this.#settled = true
    clearTimeout(this.#connecting)
    this.#pace?.stop()
    this.#response.off('close', this.#onClose)
    this.#exchange.request.off(bodyRefused, this.#onRefused)
    this.#resolve(outcome)
  }

  /** Should never come: the exchange ends, and says so. */
  #onBug(error: unknown): void {
    if (this.#response.headersSent) resetResponse(this.#response)
    this.#fail(new ProxyError('internal', bug, { cause: error }))
  }

  /**
   * When the upload has not ended, its connection can't be used for another request. One of which the last bytes are still on their way
   * out has ended: Node gives its connection back when they are out, and the idle limit goes on.
   */
  #abandonBody(): void {
    if (this.#upstream?.writableEnded) return
    this.#body.unpipe()
    this.#upstream?.destroy()
  }
}

/** Also before they wait in the answer itself, which is bounded by bytes as well. */
function joinChunksOf(answer: IncomingMessage, response: ServerResponse): void {
  const passOn = answer.push.bind(answer)
  const joined = new JoinedChunks({
    passOn: (chunk) => {
      if (!answer.destroyed) passOn(chunk)
    },
    isBehind: () => answer.readableLength > 0 || response.writableLength > 0,
    isBlocked: () => response.writableLength > 0,
  })
  // What Node's parser calls with each chunk, and with null at the end.
  answer.push = (chunk: Buffer | null) => {
    if (chunk === null) {
      joined.flush()
      return passOn(null)
    }
    joined.push(chunk)
    return answer.readableLength < answer.readableHighWaterMark
  }
}

function notConnected(): ProxyError {
  const problem = "There was no connection to Google's DICOM store in time."
  return new ProxyError('upstream-unreachable', { problem, remedy: 'Check the firewall, or set HttpProxy.' })
}

function tooManyHeaders(): ProxyError {
  const problem = 'The response has too many headers.'
  return new ProxyError('upstream-invalid', { problem, remedy: 'Check the outgoing proxy and BaseUrl.' })
}

function noResponse(): ProxyError {
  const problem = "Google's DICOM store stopped responding (DicomWebProxy.Timeouts). Some instances may be stored."
  return new ProxyError('upstream-timeout', { problem, remedy: 'Search before you resend, or raise the timeout.' })
}
