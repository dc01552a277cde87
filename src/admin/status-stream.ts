import type { ServerResponse } from 'node:http'
import type { Operation } from './operation.ts'
import { Samples } from './samples.ts'
import { statusOf } from './status.ts'

/** How often (ms) a sample is taken and told. */
const interval = 2_000
/** Samples that are kept: ten minutes. */
const most = 300
/** How long (ms) a stream lasts; then the browser comes again by itself, and it is looked again at who it is. */
const longest = 10 * 60_000
/** How soon (ms) a browser comes again. */
const retry = 1_000
/** Bytes that may wait for a reader; who is further behind comes again. */
const backlog = 4 * 1024 * 1024

interface Stream {
  readonly response: ServerResponse
  /** The latest failure of each account that it was told. */
  readonly failures: Map<string, string>
  readonly end: NodeJS.Timeout
}

/** The status as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), for those who look on. */
export class StatusStream {
  readonly #operation: Operation
  readonly #startedAt = Date.now()
  readonly #samples: Samples
  readonly #streams = new Set<Stream>()
  readonly #timer: NodeJS.Timeout

  constructor(operation: Operation) {
    this.#operation = operation
    this.#samples = new Samples(operation, most)
    this.#timer = setInterval(() => this.#tick(), interval).unref()
  }

  get status() {
    return statusOf(this.#operation, this.#samples, this.#startedAt)
  }

  /** Begins a stream; it ends with its connection, or after ten minutes. */
  begin(response: ServerResponse): void {
    const stream = { response, failures: new Map(), end: setTimeout(() => response.end(), longest).unref() }
    this.#streams.add(stream)
    response.once('close', () => {
      clearTimeout(stream.end)
      this.#streams.delete(stream)
    })
    response.write(`retry: ${retry}\n\n`)
    this.#tell(stream, most)
  }

  close(): void {
    clearInterval(this.#timer)
    for (const { response } of this.#streams) response.end()
  }

  #tick(): void {
    this.#samples.take()
    for (const stream of this.#streams) this.#tell(stream, 1)
  }

  /** Failures are told when there are new ones only: they are most of the text. */
  #tell({ response, failures: told }: Stream, samples: number): void {
    if (response.writableLength > backlog) {
      response.destroy()
      return
    }
    const status = this.status
    const accounts = status.accounts.map(({ failures, ...account }) => {
      const latest = failures[0]?.requestId ?? ''
      const isNew = told.get(account.name) !== latest
      told.set(account.name, latest)
      return { ...account, ...(isNew && { failures }), samples: this.#samples.of(account.name).slice(-samples) }
    })
    response.write(`data: ${JSON.stringify({ ...status, interval, accounts })}\n\n`)
  }
}
