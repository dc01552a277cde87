import type { ServerResponse } from 'node:http'
import { ProxyError } from '../errors.ts'
import type { ProxyStatus } from './proxy-status.ts'
import { Samples } from './samples.ts'
import { type Status, statusOf } from './status.ts'

interface StreamTimes {
  /** How often a sample is taken and sent. */
  readonly intervalMs: number
  /**
   * After this time the stream ends. The browser reconnects by itself, and is authenticated again.
   */
  readonly maxDurationMs: number
}

const defaultTimes: StreamTimes = { intervalMs: 2_000, maxDurationMs: 10 * 60_000 }
/** Ten minutes. */
const maxSamples = 300
const reconnectDelayMs = 1_000
/** How long an opening message may be reused for other streams. */
const openingCacheMs = 250
const maxStreams = 32
/** A stream that misses more messages, because its client doesn't read, is closed. */
const maxMissedMessages = 15

/** The latest failure of each account; one object for all streams in the same state. */
type Latest = ReadonlyMap<string, string>

interface Stream {
  readonly response: ServerResponse
  /** The failures that its client has got. */
  sentFailures: Latest
  /** Messages skipped since the last one sent. */
  missed: number
  readonly end: NodeJS.Timeout
}

interface Message {
  readonly text: Buffer
  readonly latest: Latest
}

/**
 * The status as server-sent events
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html). Streams in the same state share
 * one serialized message.
 */
export class StatusStream {
  readonly #proxy: ProxyStatus
  readonly #times: StreamTimes
  readonly #startedAt = Date.now()
  readonly #samples: Samples
  readonly #streams = new Set<Stream>()
  readonly #timer: NodeJS.Timeout
  /** The current opening message. */
  #opening: (Message & { readonly until: number }) | null = null

  constructor(proxy: ProxyStatus, times = defaultTimes) {
    this.#proxy = proxy
    this.#times = times
    this.#samples = new Samples(proxy, maxSamples)
    this.#timer = setInterval(() => this.#tick(), times.intervalMs).unref()
  }

  get status() {
    return statusOf(this.#proxy, this.#samples, this.#startedAt)
  }

  /** Throws a ProxyError `too-many-streams` at the limit. */
  checkRoom(): void {
    if (this.#streams.size >= maxStreams) throw tooManyStreams()
  }

  /** Starts a stream, which ends with its connection or after ten minutes. */
  begin(response: ServerResponse): void {
    // The client may have disconnected during authentication.
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

  /** Ends the response, or destroys it if its client has stopped reading. */
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
      // At most one message per stream waits in memory.
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
      // Right after the start, the page has something to show at once.
      this.#samples.takeFirst()
      const { status } = this
      this.#opening = { ...this.#message(status, latestOf(status), null), until: performance.now() + openingCacheMs }
    }
    return this.#opening
  }

  /**
   * Includes failures only if there are new ones, because they are most of the text.
   *
   * @param sentFailures the failures that the receivers have got; null for new streams
   */
  #message(status: Status, latest: Latest, sentFailures: Latest | null): Message {
    const accounts = status.accounts.map(({ failures, ...account }) => {
      const { name } = account
      const isNew = sentFailures === null || sentFailures.get(name) !== latest.get(name)
      return {
        ...account,
        ...(isNew && { failures }),
        samples: this.#samples.of(name).slice(sentFailures ? -1 : -maxSamples),
      }
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
  const problem = `The status page is already open ${maxStreams} times, which is the limit.`
  const remedy = 'Close it elsewhere, or request /api/status now and then.'
  return new ProxyError('too-many-streams', { problem, remedy }, { retryAfter: 30 })
}
