import { type Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

/** One request as a client sends it, and what it does besides sending and reading. */
export interface Sending {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Iterable<Buffer>
  /** Milliseconds before each chunk of the body. */
  readonly pace?: number
  /** Leaves after so many bytes of the body were sent. */
  readonly leaveSending?: number
  /** Leaves after so many milliseconds. */
  readonly leaveAfter?: number
  /** Leaves after so many bytes of the answer's body. */
  readonly leaveReading?: number
  /** Milliseconds without reading, once the answer has begun. */
  readonly pause?: number
}

/** What the client has seen. */
export type Reply =
  /** An answer, by the rules of HTTP to its end. */
  | {
      readonly kind: 'whole'
      readonly status: number
      readonly headers: Readonly<Record<string, string | string[] | undefined>>
      readonly body: Buffer
    }
  /** The connection broke before an answer, or in it. */
  | { readonly kind: 'broken'; readonly status: number | null }
  | { readonly kind: 'left' }
  /** Nothing more came, for far longer than the proxy's own limits allow. */
  | { readonly kind: 'stuck' }

/** Milliseconds. Waiting for a place, all tries and a stall together take less. */
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
    this.#sent.on('response', (answer) => this.#read(answer))
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

  #read(answer: IncomingMessage): void {
    const { pause, leaveReading = Number.POSITIVE_INFINITY } = this.#sending
    this.#status = answer.statusCode ?? 0
    const chunks: Buffer[] = []
    let bytes = 0
    answer.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes >= leaveReading) this.#leave('left')
    })
    if (pause) {
      answer.pause()
      this.#timers.push(setTimeout(() => answer.resume(), pause))
    }
    answer.on('error', () => this.#end({ kind: 'broken', status: this.#status }))
    answer.on('end', () => {
      const { statusCode: status = 0, headers } = answer
      this.#end(answer.complete ? { kind: 'whole', status, headers, body: Buffer.concat(chunks) } : broken(status))
      // As libcurl does after an early answer: the rest of the body is not worth sending.
      if (!this.#sent.writableFinished) this.#sent.destroy()
    })
  }

  #leave(kind: 'left' | 'stuck'): void {
    this.#end({ kind })
    this.#sent.destroy()
  }

  /** The first that happens counts. */
  #end(reply: Reply): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#resolve(reply)
  }
}

function broken(status: number): Reply {
  return { kind: 'broken', status }
}
