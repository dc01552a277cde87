import { type AgentOptions, Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { Agent, type Dispatcher, EnvHttpProxyAgent, Pool, fetch as undiciFetch } from 'undici'
import type { OutgoingSettings } from '../config/settings.ts'
import { type ConnectionCounts, countsOf, Pools } from './connection-counts.ts'

type Fetch = typeof globalThis.fetch

/** How long (ms) an idle connection to Google is kept: less than middleboxes on the way usually allow. */
const keepAlive = 30_000
/**
 * The same for uploads. Should Google close the connection just as it is used again, an upload could not be repeated:
 * nobody knows what became of it. So only uploads in close succession share one.
 */
const keepAliveForUploads = 4_000

/**
 * Every outgoing connection of this program, made by the same rules: trusted authorities, TLS checks, outgoing proxy,
 * time to connect. Two kinds, because the two transports speak through different libraries.
 */
export interface Connections {
  /** For undici. */
  readonly dispatcher: Dispatcher
  /** For `node:http` and `node:https`, by the scheme of the upstream. */
  agentFor(protocol: string): HttpAgent
  /** `fetch` over the same connections. */
  readonly fetch: Fetch
  /** `fetch` past any outgoing proxy, for addresses that only this machine can reach. */
  readonly fetchDirect: Fetch
  /** How many are open now, by transport. */
  counts(): { readonly bodyless: ConnectionCounts; readonly upload: ConnectionCounts }
  close(): Promise<void>
}

export function openConnections(outgoing: OutgoingSettings): Connections {
  const secureContext = trusting(outgoing)
  const pools = new Pools()
  const direct = new Agent({ ...undiciOptions(outgoing, secureContext), factory: pools.open })
  // Google speaks https. One for http alone must not be taken for it: undici would, Node's agents would not.
  const dispatcher = outgoing.httpsProxy ? proxied(outgoing, secureContext, pools) : direct
  const agents = { 'http:': new HttpAgent(agentOptions(outgoing)), 'https:': httpsAgent(outgoing, secureContext) }
  return {
    dispatcher,
    agentFor: (protocol) => (protocol === 'https:' ? agents['https:'] : agents['http:']),
    fetch: fetchOver(dispatcher),
    fetchDirect: fetchOver(direct),
    counts: () => ({ bodyless: pools.counts, upload: countsOf(Object.values(agents)) }),
    async close() {
      agents['http:'].destroy()
      agents['https:'].destroy()
      await Promise.all([direct.destroy(), dispatcher === direct ? undefined : dispatcher.destroy()])
    },
  }
}

let latest: { readonly authorities: readonly string[] | null; readonly context: SecureContext } | null = null

/**
 * One context for all connections: reading some hundred certificates anew for each would cost more than the handshake. It
 * outlasts a change of other settings: a tenth of a second, and 1.7 MB that no garbage collector sees.
 */
function trusting({ certificateAuthorities: authorities }: OutgoingSettings): SecureContext {
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
    keepAliveTimeout: keepAlive,
    pipelining: 1,
  }
}

function proxied(outgoing: OutgoingSettings, secureContext: SecureContext, pools: Pools): Dispatcher {
  const options = undiciOptions(outgoing, secureContext)
  const tls = { secureContext, rejectUnauthorized: outgoing.verifyPeers }
  const { connect } = outgoing.timeouts
  return new EnvHttpProxyAgent({
    ...options,
    requestTls: tls,
    proxyTls: tls,
    connectTimeout: connect,
    factory: pools.open,
    // An outgoing proxy that never answers the CONNECT counts as no connection, too.
    clientFactory: (origin, tunnel) => new Pool(origin, { ...tunnel, headersTimeout: connect }),
    // An empty text, unlike none, keeps undici from reading the environment itself.
    httpProxy: outgoing.httpProxy ?? '',
    httpsProxy: outgoing.httpsProxy ?? '',
    noProxy: outgoing.noProxy,
  })
}

function agentOptions({ httpProxy, httpsProxy, noProxy }: OutgoingSettings): AgentOptions {
  const proxyEnv = httpsProxy && {
    ...(httpProxy && { HTTP_PROXY: httpProxy }),
    HTTPS_PROXY: httpsProxy,
    NO_PROXY: noProxy,
  }
  return { keepAlive: true, timeout: keepAliveForUploads, scheduling: 'lifo', ...(proxyEnv && { proxyEnv }) }
}

function httpsAgent(outgoing: OutgoingSettings, secureContext: SecureContext): HttpsAgent {
  const { verifyPeers: rejectUnauthorized } = outgoing
  return new HttpsAgent({ ...agentOptions(outgoing), secureContext, rejectUnauthorized })
}

function fetchOver(dispatcher: Dispatcher): Fetch {
  const over = (input: string, init?: object) => undiciFetch(input, { ...init, dispatcher })
  return over as unknown as Fetch
}
