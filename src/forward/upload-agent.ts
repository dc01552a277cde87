import { type AgentOptions, Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent, type AgentOptions as HttpsAgentOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import type { Connector } from './connector.ts'

type Options = Parameters<HttpAgent['createConnection']>[0]
type Callback = NonNullable<Parameters<HttpAgent['createConnection']>[1]>

/**
 * Connections of uploads over TLS. They are ready when Node gets them, so that its time limits,
 * which are those of idle connections, don't end one that is being made.
 */
export class UploadAgent extends HttpsAgent {
  readonly #connector: Connector

  constructor(options: HttpsAgentOptions, connector: Connector) {
    super(options)
    this.#connector = connector
  }

  override createConnection(options: Options, callback?: Callback): Duplex | null | undefined {
    return handOver(this.#connector.open(urlOf('https:', options)), callback)
  }
}

/** The same without TLS: Node's own agent sends an outgoing proxy whole URLs (RFC 9112 3.2.2). */
export class PlainUploadAgent extends HttpAgent {
  readonly #connector: Connector
  readonly #proxy: URL | null

  /** @param proxy to send all requests to, wherever they are for; null connects directly */
  constructor(options: AgentOptions, connector: Connector, proxy: URL | null) {
    super({ ...options, ...(proxy && { proxyEnv: { HTTP_PROXY: proxy.href } }) })
    this.#connector = connector
    this.#proxy = proxy
  }

  override createConnection(options: Options, callback?: Callback): Duplex | null | undefined {
    return handOver(this.#connector.openDirect(this.#proxy ?? urlOf('http:', options)), callback)
  }
}

function urlOf(protocol: string, { host = '', port }: Options): URL {
  return new URL(`${protocol}//${host?.includes(':') ? `[${host}]` : host}${port ? `:${port}` : ''}`)
}

/** Node waits for the callback where there is no socket at once. */
function handOver(opening: Promise<Duplex>, callback: Callback = () => {}): undefined {
  opening.then(
    (socket) => callback(null, socket),
    (error) => callback(error, undefined as never),
  )
}
