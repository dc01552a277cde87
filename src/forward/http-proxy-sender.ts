import type { IncomingMessage } from 'node:http'
import type { Stream } from 'node:stream'
import httpProxy from 'http-proxy'
import type { UpstreamTimeouts } from '../config/settings.ts'
import { refusalOf } from '../downstream/refused-body.ts'
import type { Connections } from './connections.ts'
import type { Exchange, Forwarder, Outcome } from './exchange.ts'
import { ReplayBody, type ReplayBudget } from './replay-body.ts'
import { Upload } from './upload.ts'

interface UploadOptions {
  readonly connections: Pick<Connections, 'agentFor'>
  readonly timeouts: UpstreamTimeouts
  readonly verifyPeers: boolean
  readonly keeping: ReplayBudget
}

/**
 * Requests with a body, over http-proxy: STOW-RS.
 *
 * http-proxy's known faults are kept out of reach by what it is given: never the client's request, but an {@link Upload}
 * with headers of ours (so no `Expect`, `Trailer` or `Connection` gets there, and no DELETE: CVE-2026-29057), an agent
 * (without one it opens a connection per request), and a response that it doesn't handle.
 */
export class HttpProxySender implements Forwarder {
  readonly #options: UploadOptions
  readonly #proxy: httpProxy
  readonly #bodies = new WeakMap<IncomingMessage, ReplayBody>()

  constructor(options: UploadOptions) {
    this.#options = options
    this.#proxy = httpProxy.createProxyServer({
      selfHandleResponse: true,
      // The target's path is the whole path, and already an HTTP one.
      ignorePath: true,
      toProxy: true,
      secure: options.verifyPeers,
    })
    this.#proxy.on('proxyReq', (upstream, request) => tell(request, (upload) => upload.onConnection(upstream)))
    this.#proxy.on('proxyRes', (incoming, request) => tell(request, (upload) => upload.onResponse(incoming)))
  }

  forward(exchange: Exchange): Promise<Outcome> {
    const refusal = refusalOf(exchange.request)
    if (refusal) return Promise.resolve({ kind: 'failed', error: refusal, replayable: false })
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    const { origin, path, response } = exchange
    const headers = { ...exchange.headers, host: origin.host }
    const body = this.#bodyOf(exchange)
    const upload = new Upload(exchange, headers, body, this.#options.timeouts, resolve)
    const target = { protocol: origin.protocol, host: bareHost(origin), port: origin.port, path }
    const options = {
      target: target as unknown as URL,
      agent: this.#options.connections.agentFor(origin.protocol),
      buffer: body as unknown as Stream,
    }
    this.#proxy.web(upload as unknown as IncomingMessage, response, options, upload.onError)
    return promise
  }

  /** A second try goes on with the body of the first. */
  #bodyOf(exchange: Exchange): ReplayBody {
    const body = this.#bodies.get(exchange.request) ?? new ReplayBody(exchange, this.#options.keeping)
    this.#bodies.set(exchange.request, body)
    return body
  }
}

/** Whatever goes wrong in here concerns one upload; thrown into http-proxy's events it would end all of them. */
function tell(request: IncomingMessage, event: (upload: Upload) => void): void {
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
