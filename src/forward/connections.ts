import { type AgentOptions, Agent as HttpAgent } from 'node:http'
import type { Agent as HttpsAgent } from 'node:https'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { Agent, type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici'
import type { OutgoingSettings } from '../config/settings.ts'
import { openBoundedPool } from './bounded-pool.ts'
import { type Fetch, fetchOver } from './small-fetch.ts'
import { TunnelClient } from './tunnel.ts'
import { UploadAgent } from './upload-agent.ts'

/**
 * How long (ms) an idle connection to Google is kept: less than middleboxes on the way usually
 * allow.
 */
const keepAliveMs = 30_000
/**
 * The same for uploads. Should Google close the connection just as it is used again, an upload
 * could not be repeated: nobody knows what became of it. So only uploads in close succession share
 * one.
 */
const uploadKeepAliveMs = 4_000

/**
 * Every outgoing connection of this program, made by the same rules: trusted authorities, TLS
 * checks, outgoing proxy, time to connect. Two kinds, because the two transports speak through
 * different libraries.
 */
export interface Connections {
  /** For undici. */
  readonly dispatcher: Dispatcher
  /** For `node:http` and `node:https`, by the scheme of the upstream. */
  agentFor(protocol: string): HttpAgent
  /** `fetch` over the same connections, for small responses: src/forward/small-fetch.ts. */
  readonly fetch: Fetch
  /** `fetch` past any outgoing proxy, for addresses that only this machine can reach. */
  readonly fetchDirect: Fetch
  /** How many are open now, by transport. */
  counts(): { readonly bodyless: ConnectionCounts; readonly upload: ConnectionCounts }
  close(): Promise<void>
}

export function openConnections(outgoing: OutgoingSettings): Connections {
  const secureContext = secureContextFor(outgoing)
  const pools = new Pools()
  const upstream = dispatchersFor(outgoing, secureContext, pools.open)
  const small = dispatchersFor(outgoing, secureContext, openBoundedPool)
  const agents = { 'http:': httpAgent(outgoing), 'https:': httpsAgent(outgoing, secureContext) }
  return {
    dispatcher: upstream.outward,
    agentFor: (protocol) => (protocol === 'https:' ? agents['https:'] : agents['http:']),
    fetch: fetchOver(small.outward),
    fetchDirect: fetchOver(small.direct),
    counts: () => ({ bodyless: pools.counts, upload: countsOf(Object.values(agents)) }),
    async close() {
      agents['http:'].destroy()
      agents['https:'].destroy()
      await Promise.all([upstream.close(), small.close()])
    },
  }
}

type OpenPool = NonNullable<Agent.Options['factory']>

/** By way of the outgoing proxy, if there is one, and past it. */
function dispatchersFor(outgoing: OutgoingSettings, secureContext: SecureContext, open: OpenPool) {
  const direct = new Agent({ ...undiciOptions(outgoing, secureContext), factory: open })
  // Google speaks https. One for http alone must not be taken for it: undici would, Node's agents
  // would not.
  const outward: Dispatcher = outgoing.httpsProxy ? proxied(outgoing, secureContext, open) : direct
  const close = () => Promise.all([direct.destroy(), outward === direct ? undefined : outward.destroy()])
  return { direct, outward, close }
}

let latest: { readonly authorities: readonly string[] | null; readonly context: SecureContext } | null = null

/**
 * One context for all connections: reading some hundred certificates again for each would cost more
 * than the handshake. It outlasts a change of other settings: a tenth of a second, and 1.7 MB that
 * no garbage collector sees.
 */
function secureContextFor({ certificateAuthorities: authorities }: OutgoingSettings): SecureContext {
  if (!latest || !isDeepStrictEqual(latest.authorities, authorities)) {
    const ca = authorities ?? [...getCACertificates('default'), ...getCACertificates('system')]
    latest = { authorities, context: createSecureContext({ ca: [...ca] }) }
  }
  return latest.context
}

function undiciOptions({ verifyPeers, timeouts }: OutgoingSettings, secureContext: SecureContext): Agent.Options {
  return {
    // Google's own DICOM adapter went back to HTTP/1.1 because of error rates over HTTP/2.
    allowH2: false,
    connect: { secureContext, rejectUnauthorized: verifyPeers, timeout: timeouts.connect },
    headersTimeout: timeouts.response,
    bodyTimeout: timeouts.idle,
    keepAliveTimeout: keepAliveMs,
    pipelining: 1,
  }
}

function proxied(outgoing: OutgoingSettings, secureContext: SecureContext, open: OpenPool): Dispatcher {
  const options = undiciOptions(outgoing, secureContext)
  const tls = { secureContext, rejectUnauthorized: outgoing.verifyPeers }
  const { connect } = outgoing.timeouts
  return new EnvHttpProxyAgent({
    ...options,
    requestTls: tls,
    proxyTls: tls,
    connectTimeout: connect,
    factory: open,
    // An outgoing proxy that never responds to the CONNECT counts as no connection, too.
    clientFactory: (proxy) => new TunnelClient(new URL(proxy), connect) as unknown as Dispatcher,
    // An empty text, unlike none, keeps undici from reading the environment itself.
    httpProxy: outgoing.httpProxy ?? '',
    httpsProxy: outgoing.httpsProxy ?? '',
    noProxy: outgoing.noProxy,
  })
}

function agentOptions(): AgentOptions {
  return { keepAlive: true, timeout: uploadKeepAliveMs, scheduling: 'lifo' }
}

/** Node's own way through an outgoing proxy: without TLS no tunnel is needed. */
function httpAgent({ httpProxy, httpsProxy, noProxy }: OutgoingSettings): HttpAgent {
  const proxyEnv = httpsProxy && httpProxy && { HTTP_PROXY: httpProxy, NO_PROXY: noProxy }
  return new HttpAgent({ ...agentOptions(), ...(proxyEnv && { proxyEnv }) })
}

function httpsAgent(outgoing: OutgoingSettings, secureContext: SecureContext): HttpsAgent {
  const { verifyPeers: rejectUnauthorized } = outgoing
  return new UploadAgent({ ...agentOptions(), secureContext, rejectUnauthorized }, outgoing)
}

/** How many connections are in use, and wait for use. */
export interface ConnectionCounts {
  readonly busy: number
  readonly idle: number
}

/**
 * The pools that undici's agents open, one per origin: the agents themselves can't all be asked.
 */
export class Pools {
  readonly #open = new Set<Pool>()

  /** Takes the place of undici's own factory. */
  readonly open = (origin: string | URL, options: object): Pool => {
    for (const pool of this.#open) if (pool.closed || pool.destroyed) this.#open.delete(pool)
    const pool = new Pool(origin, options)
    this.#open.add(pool)
    return pool
  }

  get counts(): ConnectionCounts {
    let busy = 0
    let open = 0
    for (const { stats } of this.#open) {
      open += stats.connected
      // One request at a time on each.
      busy += Math.min(stats.running, stats.connected)
    }
    return { busy, idle: open - busy }
  }
}

/** Of Node's own agents. */
export function countsOf(agents: readonly HttpAgent[]): ConnectionCounts {
  const count = (sockets: NodeJS.ReadOnlyDict<readonly unknown[]>) =>
    Object.values(sockets).reduce((sum, each) => sum + (each?.length ?? 0), 0)
  return {
    busy: agents.reduce((sum, { sockets }) => sum + count(sockets), 0),
    idle: agents.reduce((sum, { freeSockets }) => sum + count(freeSockets), 0),
  }
}
