import type { ServerResponse } from 'node:http'
import { ProxyError } from '../errors.ts'
import type { ProxyStatus } from './proxy-status.ts'
import { Samples } from './samples.ts'
import { type Status, statusOf } from './status.ts'

interface StreamTimes {
  /** How often (ms) a sample is taken and told. */
  readonly intervalMs: number
  /** How long (ms) a stream lasts; then the browser comes again by itself, and it is looked again at who it is. */
  readonly maxDurationMs: number
}

const defaultTimes: StreamTimes = { intervalMs: 2_000, maxDurationMs: 10 * 60_000 }
/** Samples that are kept: ten minutes. */
const maxSamples = 300
/** How soon (ms) a browser comes again. */
const reconnectDelayMs = 1_000
/** How long (ms) the text that a stream begins with is good for others that begin. */
const openingCacheMs = 250
/** Streams at the same time. */
const maxStreams = 32
/** Messages that a stream may miss because nothing of the last one was read: then it gives way to others. */
const maxMissedMessages = 15

/** The latest failure of each account. One for all streams that were told the same. */
type Latest = ReadonlyMap<string, string>

interface Stream {
  readonly response: ServerResponse
  /** The failures that it was told. */
  sentFailures: Latest
  /** How many messages it has missed since the last one. */
  missed: number
  readonly end: NodeJS.Timeout
}

interface Message {
  readonly text: Buffer
  readonly latest: Latest
}

/**
 * The status as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), for those who look on.
 * Its text is made once for all streams that were told the same before.
 */
export class StatusStream {
  readonly #operation: ProxyStatus
  readonly #times: StreamTimes
  readonly #startedAt = Date.now()
  readonly #samples: Samples
  readonly #streams = new Set<Stream>()
  readonly #timer: NodeJS.Timeout
  /** What streams begin with just now. */
  #opening: (Message & { readonly until: number }) | null = null

  constructor(operation: ProxyStatus, times = defaultTimes) {
    this.#operation = operation
    this.#times = times
    this.#samples = new Samples(operation, maxSamples)
    this.#timer = setInterval(() => this.#tick(), times.intervalMs).unref()
  }

  get status() {
    return statusOf(this.#operation, this.#samples, this.#startedAt)
  }

  /** Throws a ProxyError `too-many-streams` when there are as many as are allowed. */
  checkRoom(): void {
    if (this.#streams.size >= maxStreams) throw tooManyStreams()
  }

  /** Begins a stream; it ends with its connection, or after ten minutes. */
  begin(response: ServerResponse): void {
    // Who left while it was looked at who it is tells nothing any more.
    if (response.destroyed) return
    const { text, latest } = this.#openingMessage()
    const end = setTimeout(() => this.#end(stream), this.#times.maxDurationMs).unref()
    const stream: Stream = { response, sentFailures: latest, missed: 0, end }
    this.#streams.add(stream)
    response.once('close', () => {
      clearTimeout(end)
      this.#streams.delete(stream)
    })
    response.write(`retry: ${reconnectDelayMs}\n\n`)
    response.write(text)
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
    this.#opening = null
    if (this.#streams.size === 0) return
    const { status } = this
    const latest = latestOf(status)
    const next = new Map<Latest, Message>()
    let whole: Message | null = null
    for (const stream of this.#streams) {
      // Who has not read the last one gets the next one later: no more than one waits in memory for anybody.
      if (stream.response.writableNeedDrain) {
        stream.missed += 1
        if (stream.missed > maxMissedMessages) this.#end(stream)
      } else if (stream.missed > 0) {
        whole ??= this.#message(status, latest, null)
        send(stream, whole)
      } else {
        const message = next.get(stream.sentFailures) ?? this.#message(status, latest, stream.sentFailures)
        next.set(stream.sentFailures, message)
        send(stream, message)
      }
    }
  }

  #openingMessage(): Message {
    if (!this.#opening || this.#opening.until < performance.now()) {
      const { status } = this
      this.#opening = { ...this.#message(status, latestOf(status), null), until: performance.now() + openingCacheMs }
    }
    return this.#opening
  }

  /**
   * Failures are told when there are new ones only: they are most of the text.
   *
   * @param told what its readers were told with the last message; null: all is new to them
   */
  #message(status: Status, latest: Latest, told: Latest | null): Message {
    const accounts = status.accounts.map(({ failures, ...account }) => {
      const { name } = account
      const isNew = told === null || told.get(name) !== latest.get(name)
      return { ...account, ...(isNew && { failures }), samples: this.#samples.of(name).slice(told ? -1 : -maxSamples) }
    })
    const text = JSON.stringify({ ...status, interval: this.#times.intervalMs, accounts })
    return { text: Buffer.from(`data: ${text}\n\n`), latest }
  }
}

function send(stream: Stream, { text, latest }: Message): void {
  stream.sentFailures = latest
  stream.missed = 0
  stream.response.write(text)
}

function latestOf({ accounts }: Status): Latest {
  return new Map(accounts.map(({ name, failures }) => [name, failures[0]?.requestId ?? '']))
}

function tooManyStreams(): ProxyError {
  const detail = `The status page is open ${maxStreams} times, as often as this proxy serves it at the same time: close it elsewhere, or ask for /api/status now and then.`
  return new ProxyError('too-many-streams', detail, { retryAfter: 30 })
}
