import { type Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

/** One request, and how the client behaves while it sends and reads. */
export interface Sending {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Iterable<Buffer>
  /** Milliseconds before each chunk of the body. */
  readonly pace?: number
  /** Disconnects after this number of body bytes was sent. */
  readonly leaveSending?: number
  /** Disconnects after this number of milliseconds. */
  readonly leaveAfter?: number
  /** Disconnects after this number of bytes of the response body. */
  readonly leaveReading?: number
  /** Milliseconds without reading, once the response has begun. */
  readonly pause?: number
}

/** What the client has seen. */
export type Reply =
  /** A response that is complete by the rules of HTTP. */
  | {
      readonly kind: 'whole'
      readonly status: number
      readonly headers: Readonly<Record<string, string | string[] | undefined>>
      readonly body: Buffer
    }
  /** The connection broke before or within a response. */
  | { readonly kind: 'broken'; readonly status: number | null }
  | { readonly kind: 'left' }
  /** Nothing more came for far longer than the proxy's own limits allow. */
  | { readonly kind: 'stuck' }

/** The wait for a slot, all attempts and a stall take less together. */
export const replyTimeoutMs = 90_000

/** Never rejects. */
export function send(sending: Sending, agent: Agent): Promise<Reply> {
  return new Conversation(sending, agent).reply
}

class Conversation {
  readonly reply: Promise<Reply>
  readonly #sending: Sending
  readonly #sent: ClientRequest
  readonly #timers: NodeJS.Timeout[] = []
  #status: number | null = null
  #resolve: (reply: Reply) => void = () => {}

  constructor(sending: Sending, agent: Agent) {
    const { method, url, headers, leaveAfter } = sending
    this.#sending = sending
    const { promise, resolve } = Promise.withResolvers<Reply>()
    this.reply = promise
    this.#resolve = resolve
    this.#sent = request(url, { method, headers, agent })
    this.#sent.on('response', (response) => this.#read(response))
    this.#sent.on('error', () => this.#end({ kind: 'broken', status: this.#status }))
    this.#sent.on('close', () => this.#end({ kind: 'broken', status: this.#status }))
    this.#timers.push(setTimeout(() => this.#leave('stuck'), replyTimeoutMs))
    if (leaveAfter !== undefined) this.#timers.push(setTimeout(() => this.#leave('left'), leaveAfter))
    void this.#write()
  }

  async #write(): Promise<void> {
    const { body = [], pace, leaveSending = Number.POSITIVE_INFINITY } = this.#sending
    let bytes = 0
    for (const chunk of body) {
      if (pace) await delay(pace)
      if (this.#sent.destroyed) return
      bytes += chunk.length
      const goesOn = this.#sent.write(chunk)
      if (bytes >= leaveSending) return this.#leave('left')
      if (!goesOn) await this.#canGoOn()
    }
    this.#sent.end()
  }

  #canGoOn(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#sent.off('drain', done).off('close', done)
        resolve()
      }
      this.#sent.on('drain', done).on('close', done)
      if (this.#sent.destroyed) done()
    })
  }

  #read(response: IncomingMessage): void {
    const { pause, leaveReading = Number.POSITIVE_INFINITY } = this.#sending
    this.#status = response.statusCode ?? 0
    const chunks: Buffer[] = []
    let bytes = 0
    response.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes >= leaveReading) this.#leave('left')
    })
    if (pause) {
      response.pause()
      this.#timers.push(setTimeout(() => response.resume(), pause))
    }
    response.on('error', () => this.#end({ kind: 'broken', status: this.#status }))
    response.on('end', () => {
      const { statusCode: status = 0, headers } = response
      this.#end(response.complete ? { kind: 'whole', status, headers, body: Buffer.concat(chunks) } : broken(status))
      // As libcurl does after an early response: it doesn't send the rest of the body.
      if (!this.#sent.writableFinished) this.#sent.destroy()
    })
  }

  #leave(kind: 'left' | 'stuck'): void {
    this.#end({ kind })
    this.#sent.destroy()
  }

  /** The first outcome counts. */
  #end(reply: Reply): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#resolve(reply)
  }
}

function broken(status: number): Reply {
  return { kind: 'broken', status }
}
