import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { Http2Response } from './http2-response.ts'
import { Inbound, type InboundRequest } from './inbound.ts'

/** Over HTTP/2: one of the streams of a connection. */
export class Http2Inbound extends Inbound {
  readonly request: InboundRequest
  readonly body: ServerHttp2Stream
  readonly response: Http2Response

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
    socket: TLSSocket,
  ) {
    super()
    this.body = stream
    this.request = new Http2Request(stream, headers, rawHeaders, socket)
    this.response = new Http2Response(stream, this.request)
  }

  /** Of this response alone. */
  get bytesFlushed(): number {
    return this.response.bytesFlushed
  }

  get isFlushed(): boolean {
    return this.response.writableLength === 0
  }

  reset(): void {
    this.response.reset()
  }

  /**
   * The client reads and sends at the same time, and is told by RST_STREAM with NO_ERROR to send no
   * more when it has the response (RFC 9113 8.1).
   */
  drain(): void {}
}

/** A request's head in the form of HTTP/1.1, in which it is checked and goes on to Google. */
class Http2Request implements InboundRequest {
  /** RFC 9113 has no minor version. Node's parser of HTTP/1.1 reads a request line's HTTP/2.0 as 2.0. */
  readonly httpVersion = '2'
  readonly method: string
  readonly url: string
  readonly headers: InboundRequest['headers']
  readonly rawHeaders: string[]
  readonly socket: TLSSocket
  #complete: boolean

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
    socket: TLSSocket,
  ) {
    this.method = headers[':method'] ?? ''
    this.url = headers[':path'] ?? ''
    this.socket = socket
    this.#complete = stream.endAfterHeaders
    this.rawHeaders = withHost(rawHeaders)
    this.headers = fields(headers)
    // A body of which the length isn't given, as chunked coding says it.
    if (!stream.endAfterHeaders && headers['content-length'] === undefined)
      this.headers['transfer-encoding'] = 'chunked'
    this.#watchEnd(stream)
  }

  get complete(): boolean {
    return this.#complete
  }

  /**
   * Node also ends the body of a stream that was reset, as if it were whole: an upload that its
   * client has aborted would look whole to Google. It calls `push` with null in both cases, but in
   * the second one only when the stream counts as closed.
   */
  #watchEnd(stream: ServerHttp2Stream): void {
    const push = stream.push.bind(stream)
    stream.push = (chunk: Buffer | null) => {
      if (chunk !== null) return push(chunk)
      if (stream.closed && !this.#complete) return false
      this.#complete = true
      return push(null)
    }
  }
}

/** Without pseudo-headers (RFC 9113 8.3); `:authority` takes the place of Host. */
function fields(headers: IncomingHttpHeaders): InboundRequest['headers'] {
  const { ':authority': authority, host = authority } = headers
  const plain = Object.entries(headers).filter(([name]) => !name.startsWith(':'))
  return { ...Object.fromEntries(plain), ...(host !== undefined && { host: authority ?? host }) }
}

/** Two that differ stay two, and are rejected as in HTTP/1.1 (RFC 9113 8.3.1). */
function withHost(rawHeaders: readonly string[]): string[] {
  const pairs: [string, string][] = []
  let authority: string | null = null
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2)
    if (name === ':authority') authority = value
    else if (!name.startsWith(':')) pairs.push([name, value])
  }
  const others = authority === null ? pairs : pairs.filter(([name, value]) => name !== 'host' || value !== authority)
  return [...(authority === null ? [] : [['host', authority]]), ...others].flat()
}
