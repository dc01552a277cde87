import type { Agent as HttpAgent } from 'node:http'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { Agent, type buildConnector, type Dispatcher, Pool } from 'undici'
import { outgoingProxyFor } from '../config/outgoing-proxy.ts'
import type { OutgoingSettings } from '../config/settings.ts'
import { openBoundedPool } from './bounded-pool.ts'
import { Connector } from './connector.ts'
import { type Resolve, resolveName } from './dial.ts'
import { forwardPlainRequests } from './plain-proxy.ts'
import { type Fetch, fetchOver } from './small-fetch.ts'
import { keepReadingAfterWriteError } from './upload.ts'
import { PlainUploadAgent, UploadAgent } from './upload-agent.ts'

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
 * Every outgoing connection of this program, made by the same rules, which are the
 * {@link Connector}'s. Two kinds, because the two transports speak through different libraries.
 */
export interface Connections {
  /** For undici, requests without a body. */
  readonly dispatcher: Dispatcher
  /** For undici, uploads in batches. */
  readonly uploads: Dispatcher
  /** For `node:http` and `node:https`, to an upstream. */
  agentFor(origin: URL): HttpAgent
  /** `fetch` over the same connections, for small responses: src/forward/small-fetch.ts. */
  readonly fetch: Fetch
  /** `fetch` past any outgoing proxy, for addresses that only this machine can reach. */
  readonly fetchDirect: Fetch
  /** How names become addresses. */
  readonly resolve: Resolve
  /** How many are open now, by transport. */
  counts(): { readonly bodyless: ConnectionCounts; readonly upload: ConnectionCounts }
  close(): Promise<void>
}

/** @param resolve in place of the system's own */
export function openConnections(outgoing: OutgoingSettings, resolve = resolveName): Connections {
  const secureContext = secureContextFor(outgoing)
  const connector = new Connector({ outgoing, secureContext, resolve })
  const pools = new Pools()
  const openSocket = (url: URL) => connector.open(url)
  const upstream = agentOver(openSocket, outgoing, pools.open)
  const uploadPools = new Pools()
  const uploads = agentOver(openUploadSocket(connector), outgoing, uploadPools.open, uploadKeepAliveMs)
  const small = agentOver(openSocket, outgoing, openBoundedPool)
  const smallDirect = agentOver((url) => connector.openDirect(url), outgoing, openBoundedPool)
  const options = { keepAlive: true, timeout: uploadKeepAliveMs, scheduling: 'lifo' } as const
  const plainProxy = outgoing.httpsProxy && outgoing.httpProxy ? new URL(outgoing.httpProxy) : null
  const agents = {
    secure: new UploadAgent({ ...options, secureContext }, connector),
    plain: new PlainUploadAgent(options, connector, null),
    plainByProxy: new PlainUploadAgent(options, connector, plainProxy),
  }
  return {
    dispatcher: forwardPlainRequests(upstream, outgoing),
    uploads: forwardPlainRequests(uploads, outgoing),
    agentFor(origin) {
      if (origin.protocol === 'https:') return agents.secure
      return outgoingProxyFor(origin, outgoing) ? agents.plainByProxy : agents.plain
    },
    fetch: fetchOver(forwardPlainRequests(small, outgoing)),
    fetchDirect: fetchOver(smallDirect),
    resolve,
    counts: () => ({
      bodyless: pools.counts,
      upload: sumOf(countsOf(Object.values(agents)), uploadPools.counts),
    }),
    async close() {
      connector.close()
      for (const agent of Object.values(agents)) agent.destroy()
      await Promise.all([upstream, uploads, small, smallDirect].map((agent) => agent.destroy()))
    },
  }
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

type OpenPool = NonNullable<Agent.Options['factory']>

function openUploadSocket(connector: Connector): Connector['open'] {
  return async (url) => {
    const socket = await connector.open(url)
    keepReadingAfterWriteError(socket)
    return socket
  }
}

function agentOver(
  openSocket: Connector['open'],
  { timeouts }: OutgoingSettings,
  factory: OpenPool,
  keepAliveTimeout = keepAliveMs,
): Agent {
  const connect: buildConnector.connector = ({ protocol, host }, done) => {
    const opening = openSocket(new URL(`${protocol}//${host}`))
    opening.then(
      (socket) => done(null, socket),
      (error) => done(error, null),
    )
  }
  return new Agent({
    // Google's own DICOM adapter went back to HTTP/1.1 because of error rates over HTTP/2.
    allowH2: false,
    connect,
    headersTimeout: timeouts.response,
    bodyTimeout: timeouts.idle,
    keepAliveTimeout,
    pipelining: 1,
    factory,
  })
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

function sumOf(one: ConnectionCounts, other: ConnectionCounts): ConnectionCounts {
  return { busy: one.busy + other.busy, idle: one.idle + other.idle }
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
