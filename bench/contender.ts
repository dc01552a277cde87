import type { Entrance } from './load/entrance.ts'
import { caddy } from './native/caddy.ts'
import { haproxy } from './native/haproxy.ts'
import { nginx } from './native/nginx.ts'
import { nativeContender } from './native-contender.ts'
import { nodeContender } from './node-contender.ts'
import type { Usage } from './process-usage.ts'

/** Something that one could put between Orthanc and Google. */
export interface Contender {
  readonly name: string
  /** Node compiles a program while it runs: it has to be warm before it is measured. */
  readonly compilesLate: boolean
  /**
   * Of the program or package as installed here; empty: it has none of its own; null: it is not
   * installed.
   */
  version(): string | null
  start(place: Place): Promise<RunningContender>
}

/** Where contenders run. */
export interface Place {
  /** Theirs to write to. */
  readonly folder: string
  /** JSON of an `Upstream`. */
  readonly upstreamFile: string
  /** The Node that Node programs run with. */
  readonly node: string
  readonly nodeOptions: readonly string[]
}

export interface RunningContender extends Entrance {
  usage(): Usage
  close(): Promise<void>
}

export const ours = oursWith(1)
export const tlsPipe = nodeContender('TLS pipe', 'tls-pipe', { loadBringsToken: true })
/** Node's own HTTP, and what others have built on it, with nothing of ours around it. */
export const bareNode: readonly Contender[] = [
  nodeContender('node:http', 'node-http'),
  nodeContender('http-proxy', 'http-proxy', { builtOn: 'http-proxy' }),
  nodeContender('undici', 'undici', { builtOn: 'undici' }),
  nodeContender('@fastify/http-proxy', 'fastify-http-proxy', { builtOn: '@fastify/http-proxy' }),
]
export const contenders: readonly Contender[] = [
  tlsPipe,
  nativeContender(nginx),
  nativeContender(haproxy),
  nativeContender(caddy),
  ...bareNode,
  ours,
]

/** Our proxy as another checkout has it, built and installed: what a change costs is seen only beside it, in the same run. */
export function oursOf(checkout: string): Contender {
  return nodeContender('before', 'ours', { args: ['1'], checkout })
}

/** Our proxy, with this many accounts: that at `url` is `google-1`, and beside it are `google-2` and so on. */
export function oursWith(accounts: number): Contender {
  return nodeContender('gcp-dicomweb-proxy', 'ours', { args: [String(accounts)] })
}
