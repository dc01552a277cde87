import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Stream } from 'node:stream'
import httpProxy from 'http-proxy'
import type { UpstreamTimeouts } from '../config/settings.ts'
import type { Connections } from './connections.ts'
import type { Exchange, Outcome, Sender } from './exchange.ts'
import { Upload } from './upload.ts'

interface UploadOptions {
  readonly connections: Pick<Connections, 'agentFor'>
  readonly timeouts: UpstreamTimeouts
}

/**
 * Requests with a body, over http-proxy: STOW-RS.
 *
 * http-proxy's known faults are kept out of reach by what it is given: never the client's request,
 * but an {@link Upload} with our headers (so no `Expect`, `Trailer` or `Connection` gets there,
 * and no DELETE: CVE-2026-29057), an agent (without one it opens a connection per request), and a
 * response that it doesn't handle.
 */
export class HttpProxySender implements Sender {
  readonly #options: UploadOptions
  readonly #proxy: httpProxy

  constructor(options: UploadOptions) {
    this.#options = options
    this.#proxy = httpProxy.createProxyServer({
      selfHandleResponse: true,
      // The target's path is the whole path, and already an HTTP one.
      ignorePath: true,
      toProxy: true,
    })
    this.#proxy.on('proxyReq', (upstream, request) => notify(request, (upload) => upload.onConnection(upstream)))
    this.#proxy.on('proxyRes', (incoming, request) => notify(request, (upload) => upload.onResponse(incoming)))
  }

  send(exchange: Exchange): Promise<Outcome> {
    const { origin, path, inbound, body } = exchange
    if (!body) throw new TypeError('http-proxy is for requests with a body')
    const { bodyRefusal: error } = inbound
    if (error) return Promise.resolve({ kind: 'failed', error, replayable: false })
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    const upload = new Upload(exchange, body, this.#options.timeouts, resolve)
    const target = { protocol: origin.protocol, host: bareHost(origin), port: origin.port, path }
    const agent = this.#options.connections.agentFor(origin)
    // Its types ask for far more than it reads: of the request, what Upload has; of the response,
    // `headersSent` and `finished`; of the body, `pipe`; of the target, these.
    this.#proxy.web(
      upload as unknown as IncomingMessage,
      inbound.response as unknown as ServerResponse,
      { target: target as unknown as URL, agent, buffer: body as unknown as Stream },
      upload.onError,
    )
    return promise
  }
}

/**
 * What goes wrong in here concerns one upload; thrown into http-proxy's events it would end all
 * of them.
 */
function notify(request: IncomingMessage, event: (upload: Upload) => void): void {
  const upload = request as unknown as Upload
  try {
    event(upload)
  } catch (error) {
    upload.onBug(error)
  }
}

/** `node:http` wants an IPv6 address without the brackets of a URL. */
function bareHost({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '')
}
