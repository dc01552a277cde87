import { Writable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Dispatcher } from 'undici'
import type { UpstreamTimeouts } from '../../config/settings.ts'
import { ProxyError } from '../../errors.ts'
import { BufferedResponse, type UpstreamHeaders } from '../../forward/buffered-response.ts'
import type { Exchange, Outcome, Sender } from '../../forward/exchange.ts'
import { upstreamFailure } from '../../forward/upstream-failure.ts'
import { JsonRows } from './json-rows.ts'

type Controller = Dispatcher.DispatchController

/** Reads the rows of one attempt. What it has read counts only once `send` has completed. */
export interface RowReader {
  /** @returns false if no more are needed */
  onRow(row: Buffer): boolean
}

export interface PageSenderOptions {
  readonly dispatcher: Dispatcher
  readonly timeouts: Pick<UpstreamTimeouts, 'searchResponse'>
  /** Aborts the request at once. Its reason is an Error. */
  readonly over: AbortSignal
}

/** Sends a search to Google, and reads its rows as they come. */
export class PageSender implements Sender {
  readonly #options: PageSenderOptions
  readonly #read: () => RowReader

  /** @param read called for each attempt */
  constructor(options: PageSenderOptions, read: () => RowReader) {
    this.#options = options
    this.#read = read
  }

  send(exchange: Exchange): Promise<Outcome> {
    const { dispatcher, timeouts, over } = this.#options
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    const page = new PageResponse(exchange, this.#read(), resolve)
    const onOver = () => page.end(over.reason)
    const onClose = () => page.settle({ kind: 'aborted', by: 'client', status: null })
    const { response } = exchange.inbound
    over.addEventListener('abort', onOver)
    response.once('close', onClose)
    if (over.aborted) onOver()
    else {
      dispatcher.dispatch(
        {
          origin: exchange.origin.origin,
          path: exchange.path,
          method: 'GET',
          headersTimeout: Math.min(timeouts.searchResponse, exchange.remainingRetryMs ?? timeouts.searchResponse),
          headers: exchange.headers,
        },
        page,
      )
    }
    return promise.finally(() => {
      over.removeEventListener('abort', onOver)
      response.off('close', onClose)
    })
  }
}

class PageResponse implements Dispatcher.DispatchHandler {
  readonly #exchange: Exchange
  readonly #reader: RowReader
  readonly #resolve: (outcome: Outcome) => void
  #controller: Controller | null = null
  #buffered: BufferedResponse | null = null
  #status = 0
  /** Takes the body of a success. */
  #body: Writable | null = null
  #isSettled = false

  constructor(exchange: Exchange, reader: RowReader, resolve: (outcome: Outcome) => void) {
    this.#exchange = exchange
    this.#reader = reader
    this.#resolve = resolve
  }

  /** Ends the exchange, and with it the connection unless the response has ended. */
  settle(outcome: Outcome): void {
    if (this.#isSettled) return
    this.#isSettled = true
    this.#resolve(outcome)
    this.#body?.destroy()
    this.#controller?.abort(new Error('Enough'))
  }

  end(reason: unknown): void {
    const error = reason instanceof Error ? reason : new Error('Aborted', { cause: reason })
    this.settle({ kind: 'failed', error: upstreamFailure(error), replayable: false })
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller
    if (this.#isSettled) controller.abort(new Error('Enough'))
  }

  onResponseStart(_: Controller, status: number, headers: UpstreamHeaders): void {
    if (status < 200 || this.#isSettled) return
    this.#exchange.progress.firstByteAt ??= performance.now()
    this.#status = status
    if (status !== 200 && status !== 204) {
      this.#buffered = new BufferedResponse(status, headers)
      return
    }
    this.#exchange.observe(status, headers)
    if (status === 200) this.#body = this.#bodyOf(headers)
  }

  onResponseData(_: Controller, chunk: Buffer): void {
    if (this.#isSettled) return
    if (this.#buffered) {
      if (this.#buffered.add(chunk)) return
      // Of a 401 the status says it all.
      if (this.#status === 401) this.#settleBuffered(this.#buffered)
      else this.#fail('The error document is too large.')
    } else if (this.#body && !this.#body.write(chunk)) this.#controller?.pause()
  }

  onResponseEnd(): void {
    if (this.#isSettled) return
    if (this.#buffered) this.#settleBuffered(this.#buffered)
    else if (this.#body) this.#body.end()
    else this.settle({ kind: 'completed', status: this.#status })
  }

  onResponseError(_: Controller, error: Error): void {
    if (this.#buffered?.status === 401) this.#settleBuffered(this.#buffered)
    else this.settle({ kind: 'failed', error: upstreamFailure(error), replayable: true })
  }

  #settleBuffered(response: BufferedResponse): void {
    this.settle({ kind: 'buffered', response, replayable: true })
  }

  #bodyOf(headers: UpstreamHeaders): Writable {
    const coding = String(headers['content-encoding'] ?? 'identity').toLowerCase()
    const rows = this.#rowsWriter()
    if (coding !== 'gzip') {
      // Anything else than rows in a coding that was not asked for is none.
      rows.on('drain', () => this.#controller?.resume())
      return rows
    }
    const gunzip = createGunzip()
    gunzip.on('drain', () => this.#controller?.resume())
    gunzip.on('error', () => this.#fail('The response is not compressed as it says.'))
    gunzip.pipe(rows)
    gunzip.on('close', () => this.#isSettled && rows.destroy())
    return gunzip
  }

  /** Other requests have their turn between two pieces: matching takes the processor. */
  #rowsWriter(): Writable {
    let isEnough = false
    const rows = new JsonRows((row) => {
      if (!isEnough && !this.#reader.onRow(row)) isEnough = true
    })
    const attempt = (work: () => void) => {
      try {
        work()
        if (isEnough) this.settle({ kind: 'completed', status: this.#status })
      } catch (error) {
        if (error instanceof ProxyError) this.end(error)
        else this.#fail('It is not DICOM JSON.')
      }
    }
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (!this.#isSettled) attempt(() => rows.push(chunk))
        setImmediate(done)
      },
      final: (done) => {
        attempt(() => rows.end())
        this.settle({ kind: 'completed', status: this.#status })
        done()
      },
    })
  }

  #fail(problem: string): void {
    const explanation = {
      problem: `A page of Google's search can't be read: ${problem}`,
      remedy: 'Check the outgoing proxy and BaseUrl.',
    }
    this.end(new ProxyError('upstream-invalid', explanation))
  }
}
