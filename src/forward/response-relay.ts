import type { UpstreamTimeouts } from '../config/settings.ts'
import { ChunkCoalescer } from '../downstream/coalesce-chunks.ts'
import type { InboundResponse } from '../downstream/inbound.ts'
import { enforceMinReadRate } from '../downstream/min-rate.ts'
import { ProxyError } from '../errors.ts'
import { BufferedResponse, type UpstreamHeaders } from './buffered-response.ts'
import { beginEmptySearch, isEmptySearch } from './empty-search.ts'
import type { Exchange, Outcome } from './exchange.ts'
import { Recoding } from './recoding.ts'
import type { ResponseObserver } from './response-observer.ts'
import { decompressed } from './response-rewriting.ts'
import { beginResponse, shouldBuffer } from './response-start.ts'
import { upstreamFailure } from './upstream-failure.ts'
import type { BodyRewriter } from './url-rewriter.ts'

/** What brings Google's response, by whichever HTTP library. */
export interface ResponseSource {
  pause(): void
  /** Also called when it is not paused, and after its end. */
  resume(): void
  /** Ends the exchange with Google. Nothing that still comes is looked at. */
  abort(reason: Error): void
  /**
   * Whether the request can be sent once more without harm.
   *
   * @param isRejected whether Google's status says that it took nothing
   */
  isReplayable(isRejected: boolean): boolean
}

/** Informational responses (RFC 9110 15.2) to one request; each restarts the timeouts. */
const maxInformational = 100

/**
 * Carries one response from Google to the client, as fast as the client reads it. Each sender
 * creates one per request, and only feeds it: what happens to a response does not depend on the
 * library that it came through.
 */
export class ResponseRelay {
  readonly #exchange: Exchange
  readonly #source: ResponseSource
  readonly #timeouts: UpstreamTimeouts
  readonly #response: InboundResponse
  readonly #progress: Exchange['progress']
  readonly #resolve: (outcome: Outcome) => void
  #status: number | null = null
  #informational = 0
  /** What broke the response after it had begun. */
  #failure: unknown
  #isSettled = false
  #buffered: BufferedResponse | null = null
  #rewriter: BodyRewriter | null = null
  /** In place of the rewriter, where Google's body is compressed. */
  #recoding: Recoding | null = null
  /** What is sent in place of the body that Google did not send. */
  #substitute: Buffer | null = null
  #observer: ResponseObserver | null = null
  #isObserving = false
  #isCorked = false
  /** Whether the client has been seen to read more slowly than Google sends. */
  #isWatched = false
  readonly #coalescer = new ChunkCoalescer({
    forward: (chunk) => this.#attempt(chunk),
    isBehind: () => this.#response.writableLength > 0,
    isBlocked: () => this.#response.writableLength > 0,
  })

  /** @param resolve called once, with how it ended */
  constructor(
    exchange: Exchange,
    source: ResponseSource,
    timeouts: UpstreamTimeouts,
    resolve: (outcome: Outcome) => void,
  ) {
    this.#exchange = exchange
    this.#source = source
    this.#timeouts = timeouts
    this.#response = exchange.inbound.response
    this.#progress = exchange.progress
    this.#resolve = resolve
    this.#response.on('close', this.#onClose)
    this.#response.on('drain', this.#onDrain)
  }

  get isSettled(): boolean {
    return this.#isSettled
  }

  /**
   * Whether the client sees nothing of the response for now, because the request may be sent once
   * more.
   */
  get isBuffering(): boolean {
    return this.#buffered !== null
  }

  /** Informational responses are between Google and the proxy. */
  onInformational(): void {
    if (++this.#informational > maxInformational) this.fail(noFinalResponse())
  }

  onHeaders(status: number, headers: UpstreamHeaders): void {
    if (this.#isSettled) return
    this.#status = status
    this.#progress.firstByteAt ??= performance.now()
    if (shouldBuffer(this.#exchange, status, headers)) {
      this.#buffered = new BufferedResponse(status, headers)
      return
    }
    try {
      this.#begin(status, headers)
    } catch (error) {
      this.fail(upstreamFailure(error))
    }
  }

  onData(chunk: Buffer): void {
    if (!this.#isSettled && !this.#failure) this.#coalescer.push(chunk)
  }

  onEnd(): void {
    this.#coalescer.flush()
    if (this.#isSettled || this.#failure) return
    if (this.#buffered) {
      this.#settleBuffered(this.#buffered)
      return
    }
    this.#observer?.end()
    if (this.#recoding) {
      this.#recoding.end()
      return
    }
    const rest = this.#substitute ?? this.#rewriter?.end()
    if (rest) this.#progress.sent += rest.length
    this.#response.end(rest)
  }

  /** The connection to Google failed, or what came over it is not HTTP. */
  onError(error: unknown): void {
    if (this.#isSettled) return
    this.#coalescer.drop()
    if (this.#response.headersSent) this.#resetResponse(error)
    else if (this.#response.destroyed) this.#settle({ kind: 'aborted', by: 'client', status: null })
    // Of a 401 the status says it all.
    else if (this.#buffered?.status === 401) this.#settleBuffered(this.#buffered)
    else this.fail(upstreamFailure(error))
  }

  /** Ends the exchange before the client has seen anything of a response. */
  fail(error: ProxyError): void {
    if (this.#isSettled) return
    const replayable = this.#source.isReplayable(this.#buffered !== null)
    this.#settle({ kind: 'failed', error, replayable })
    this.#source.abort(error)
  }

  #begin(status: number, headers: UpstreamHeaders): void {
    if (isEmptySearch(this.#exchange, status)) this.#substitute = beginEmptySearch(this.#exchange, headers)
    else this.#beginBody(status, headers)
    this.#observer = this.#exchange.observe(status, headers)
  }

  #beginBody(status: number, headers: UpstreamHeaders): void {
    const rewriting = beginResponse(this.#response, this.#exchange, status, headers)
    if (!rewriting?.isCompressed) this.#rewriter = rewriting?.rewriter ?? null
    else if (hasBody(this.#response, status)) {
      this.#recoding = new Recoding(rewriting, {
        onData: (bytes) => !this.#isOver && this.#send(bytes),
        onDrain: () => this.#resume(),
        onEnd: () => {
          if (!this.#isOver) this.#response.end()
        },
        onError: (error) => {
          if (this.#isOver) return
          this.onError(error)
          this.#source.abort(error)
        },
      })
    }
  }

  /** Not always called by the source, which would see what is thrown. */
  #attempt(chunk: Buffer): void {
    // A chunk before this one may have failed.
    if (this.#isSettled || this.#failure) return
    try {
      this.#take(chunk)
    } catch (error) {
      this.onError(error)
      this.#source.abort(error as Error)
    }
  }

  #take(chunk: Buffer): void {
    if (!this.#buffered) this.#write(chunk)
    else if (!this.#buffered.add(chunk)) this.#stopBuffering(this.#buffered)
  }

  #write(chunk: Buffer): void {
    if (this.#observer) this.#observe(this.#observer, chunk)
    const isTaken = this.#recoding
      ? this.#recoding.write(chunk)
      : this.#send(this.#rewriter ? this.#rewriter.push(chunk) : chunk)
    if (!isTaken) this.#source.pause()
  }

  /** False while the client has to read first. */
  #send(bytes: Buffer): boolean {
    this.#progress.sent += bytes.length
    this.#cork()
    if (this.#response.write(bytes)) return true
    // The timers of the connection to Google stand still meanwhile: a client that never reads on
    // would hold both connections for ever.
    if (!this.#isWatched) enforceMinReadRate(this.#exchange.inbound, this.#timeouts, this.#exchange.isContended)
    this.#isWatched = true
    return false
  }

  /**
   * No more is read in a turn of the event loop than comes at once: other requests have their turn
   * in between, for a store response of 60 MB takes more than a second.
   */
  #observe(observer: ResponseObserver, chunk: Buffer): void {
    observer.push(chunk)
    if (this.#isObserving) return
    this.#isObserving = true
    this.#source.pause()
    setImmediate(() => {
      this.#isObserving = false
      this.#resume()
    })
  }

  /**
   * Joins what comes in one turn of the event loop: each TLS record of Google comes by itself, 16
   * KiB at the most. A fifth of the system calls are left, and 3 % of the processor time are saved.
   */
  #cork(): void {
    const { socket } = this.#response
    if (this.#isCorked || !socket) return
    this.#isCorked = true
    socket.cork()
    setImmediate(() => {
      this.#isCorked = false
      socket.uncork()
    })
  }

  /**
   * The response is too large to buffer: the client gets it after all, unless it is a 401, which no
   * client ever sees.
   */
  #stopBuffering(buffered: BufferedResponse): void {
    if (buffered.status === 401) {
      this.#settleBuffered(buffered)
      this.#source.abort(new Error('Enough of a 401'))
      return
    }
    this.#buffered = null
    this.#begin(buffered.status, buffered.headers)
    this.#write(buffered.body)
  }

  /** Whether the client gets no more of a response. */
  get #isOver(): boolean {
    return this.#isSettled || this.#failure !== undefined || this.#response.destroyed
  }

  readonly #onDrain = () => {
    this.#coalescer.flush()
    this.#recoding?.resume()
    this.#resume()
  }

  #resume(): void {
    const isBlocked = this.#recoding ? this.#recoding.isFull : this.#response.writableNeedDrain
    if (!this.#isSettled && !this.#isObserving && !isBlocked) this.#source.resume()
  }

  /** A body cut short must not look whole: only a broken connection says so in every framing. */
  #resetResponse(error: unknown): void {
    // Then the client has left, or reads too slowly.
    if (this.#response.destroyed) return
    this.#failure = error
    this.#exchange.inbound.reset()
  }

  /** Comes once per response: after its end, or when either side broke. */
  readonly #onClose = () => {
    const status = this.#status
    if (this.#response.writableFinished && status !== null) {
      this.#settle({ kind: 'completed', status })
      return
    }
    const by = this.#failure ? 'upstream' : 'client'
    this.#settle({ kind: 'aborted', by, status, cause: this.#failure })
    // An upload whose client has left must not look whole to Google.
    this.#source.abort(new Error('The client has left'))
  }

  #settleBuffered(response: BufferedResponse): void {
    this.#settle({ kind: 'buffered', response, replayable: this.#source.isReplayable(true) })
  }

  #settle(outcome: Outcome): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#coalescer.drop()
    this.#recoding?.destroy()
    this.#response.off('close', this.#onClose)
    this.#response.off('drain', this.#onDrain)
    this.#resolve(outcome)
  }
}

/**
 * Sends a response that was buffered, whole. Resolves with false if the client left before it had
 * all of it.
 */
export async function relayBuffered(
  response: InboundResponse,
  exchange: Pick<Exchange, 'urls' | 'cacheControl' | 'attempt' | 'progress'>,
  buffered: Pick<BufferedResponse, 'status' | 'headers' | 'body'>,
  own?: Readonly<Record<string, string>>,
): Promise<boolean> {
  const { progress } = exchange
  const { status } = buffered
  const { headers, body } = exchange.urls ? decompressed(buffered) : buffered
  const rewriting = beginResponse(response, exchange, status, headers, own)
  const rewriter = rewriting?.isCompressed ? null : rewriting?.rewriter
  const bytes = rewriter ? Buffer.concat([rewriter.push(body), rewriter.end()]) : body
  progress.sent += bytes.length
  response.end(bytes)
  await new Promise<void>((resolve) => response.once('close', resolve))
  return response.writableFinished
}

function hasBody({ req }: InboundResponse, status: number): boolean {
  return req.method !== 'HEAD' && status !== 204 && status !== 304
}

function noFinalResponse(): ProxyError {
  const problem = 'There are too many informational responses, and no final one.'
  return new ProxyError('upstream-invalid', { problem, remedy: 'Check the outgoing proxy and BaseUrl.' })
}
