import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { GoogleError } from './google-error.ts'
import { pause } from './pause.ts'
import type { RecordedRequest } from './request-log.ts'

/** Google's limit for every request body but STOW's ("Quotas and limits", Cloud Healthcare API). */
const smallBody = 10 * 1024 * 1024

/**
 * One request in flight: the parsed target, and its body as a stream that is counted as it is read.
 */
export class Call {
  readonly method: string
  /** Path segments, percent-decoded. */
  readonly segments: readonly string[]
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  /** `http://host` as the client named it: absolute URLs in responses start so. */
  readonly origin: string
  readonly record: RecordedRequest
  /** Bytes per second at which the body is read; a fault may set it. */
  uploadBandwidth: number | undefined
  /**
   * What is done once so many bytes of the body have come; nothing more of it is read then. A fault
   * may set it.
   */
  breakOff: { readonly at: number; readonly how: () => void } | undefined
  /** How many instances of an upload the response doesn't name; a fault may set it. */
  omitted: { readonly unnamed: number; readonly dropped: number } = { unnamed: 0, dropped: 0 }
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  #continueAwaited: boolean

  constructor(request: IncomingMessage, response: ServerResponse, record: RecordedRequest, scheme: 'http' | 'https') {
    const [path = '', ...query] = (request.url ?? '/').split('?')
    this.method = request.method ?? 'GET'
    this.segments = path.split('/').slice(1).map(decodeSegment)
    this.query = new URLSearchParams(query.join('?'))
    this.headers = request.headers
    this.origin = `${scheme}://${request.headers.host ?? 'localhost'}`
    this.record = record
    this.#request = request
    this.#response = response
    this.#continueAwaited = request.headers.expect?.toLowerCase() === '100-continue'
  }

  get path(): string {
    return `/${this.segments.join('/')}`
  }

  /** Whether the whole body has arrived (or there is none). */
  get received(): boolean {
    return this.#request.complete
  }

  /**
   * The body, once. Only the first read lets a client that sent `Expect: 100-continue` go on (RFC
   * 9110, 10.1.1), so that an early refusal spares it the upload. Ends in an error when the client
   * breaks off.
   */
  async *body(): AsyncGenerator<Buffer> {
    if (this.#continueAwaited) this.#response.writeContinue()
    this.#continueAwaited = false
    for await (const chunk of this.#request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      this.record.bodyBytes += chunk.length
      if (this.breakOff && this.record.bodyBytes >= this.breakOff.at) {
        this.breakOff.how()
        throw new Error('The body was broken off.')
      }
      yield chunk
      if (this.uploadBandwidth) await pause((chunk.length / this.uploadBandwidth) * 1000, this.#response)
    }
    if (Object.keys(this.#request.trailers).length > 0) this.record.trailers = this.#request.trailers
  }

  /** Reads up to `bound` bytes and throws them away; true when the body ended by then. */
  async drain(bound: number): Promise<boolean> {
    if (this.#continueAwaited) return false
    try {
      for await (const _ of this.body()) if (this.record.bodyBytes > bound) return false
    } catch {
      return false
    }
    return true
  }

  async text(): Promise<string> {
    const chunks: Buffer[] = []
    for await (const chunk of this.body()) {
      chunks.push(chunk)
      if (this.record.bodyBytes > smallBody) throw new GoogleError(413, 'Request payload size exceeds the limit.')
    }
    return Buffer.concat(chunks).toString('utf8')
  }

  /**
   * The body of `application/x-www-form-urlencoded`, the form of every OAuth token request (RFC
   * 6749, 4).
   */
  async form(): Promise<URLSearchParams> {
    return new URLSearchParams(await this.text())
  }

  async json(): Promise<Record<string, unknown>> {
    try {
      return JSON.parse((await this.text()) || '{}')
    } catch (cause) {
      if (cause instanceof SyntaxError) throw new GoogleError(400, 'Invalid JSON payload received.')
      throw cause
    }
  }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
