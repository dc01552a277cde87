import type { ServerResponse } from 'node:http'
import type { Operation } from './operation.ts'
import { Samples } from './samples.ts'
import { type Status, statusOf } from './status.ts'

interface StreamTimes {
  /** How often (ms) a sample is taken and told. */
  readonly interval: number
  /** How long (ms) a stream lasts; then the browser comes again by itself, and it is looked again at who it is. */
  readonly longest: number
}

const usual: StreamTimes = { interval: 2_000, longest: 10 * 60_000 }
/** Samples that are kept: ten minutes. */
const most = 300
/** How soon (ms) a browser comes again. */
const retry = 1_000

interface Stream {
  readonly response: ServerResponse
  /** The latest failure of each account that it was told. */
  readonly failures: Map<string, string>
  /** Samples that it was not told yet. */
  due: number
  readonly end: NodeJS.Timeout
}

/** The status as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), for those who look on. */
export class StatusStream {
  readonly #operation: Operation
  readonly #times: StreamTimes
  readonly #startedAt = Date.now()
  readonly #samples: Samples
  readonly #streams = new Set<Stream>()
  readonly #timer: NodeJS.Timeout

  constructor(operation: Operation, times = usual) {
    this.#operation = operation
    this.#times = times
    this.#samples = new Samples(operation, most)
    this.#timer = setInterval(() => this.#tick(), times.interval).unref()
  }

  get status() {
    return statusOf(this.#operation, this.#samples, this.#startedAt)
  }

  /** Begins a stream; it ends with its connection, or after ten minutes. */
  begin(response: ServerResponse): void {
    // Who left while it was looked at who it is tells nothing any more.
    if (response.destroyed) return
    const end = setTimeout(() => this.#end(stream), this.#times.longest).unref()
    const stream: Stream = { response, failures: new Map(), due: most, end }
    this.#streams.add(stream)
    response.once('close', () => {
      clearTimeout(end)
      this.#streams.delete(stream)
    })
    response.write(`retry: ${retry}\n\n`)
    this.#tell(stream, this.status)
  }

  close(): void {
    clearInterval(this.#timer)
    for (const stream of this.#streams) this.#end(stream)
  }

  /** Nothing is written behind the end, and nobody who has stopped reading keeps a connection by it. */
  #end(stream: Stream): void {
    this.#streams.delete(stream)
    if (stream.response.writableNeedDrain) stream.response.destroy()
    else stream.response.end()
  }

  #tick(): void {
    this.#samples.take()
    if (this.#streams.size === 0) return
    const { status } = this
    for (const stream of this.#streams) {
      stream.due = Math.min(stream.due + 1, most)
      // Who has not read the last one gets the next one later: no more than one waits in memory for anybody.
      if (!stream.response.writableNeedDrain) this.#tell(stream, status)
    }
  }

  /** Failures are told when there are new ones only: they are most of the text. */
  #tell(stream: Stream, status: Status): void {
    const { response, failures: told, due } = stream
    stream.due = 0
    const accounts = status.accounts.map(({ failures, ...account }) => {
      const latest = failures[0]?.requestId ?? ''
      const isNew = told.get(account.name) !== latest
      told.set(account.name, latest)
      return { ...account, ...(isNew && { failures }), samples: this.#samples.of(account.name).slice(-due) }
    })
    response.write(`data: ${JSON.stringify({ ...status, interval: this.#times.interval, accounts })}\n\n`)
  }
}
