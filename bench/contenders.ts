import type { Contender } from './contender.ts'
import { caddy } from './native/caddy.ts'
import { haproxy } from './native/haproxy.ts'
import { nginx } from './native/nginx.ts'
import { nativeContender } from './native-contender.ts'
import { nodeContender } from './node-contender.ts'

export const ours = oursWith(1)
export const tlsPipe = nodeContender('TLS pipe', 'tls-pipe', { loadBringsToken: true })
/** Node's own HTTP, and what others have built on it, without our code around it. */
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

/**
 * Our proxy from another checkout, built and installed: only beside it, in the same run, is the
 * cost of a change visible.
 */
export function oursOf(checkout: string): Contender {
  return nodeContender('before', 'ours', { args: ['1'], checkout })
}

/**
 * Our proxy with this many accounts: `url` is that of `google-1`, with `google-2` and so on beside
 * it.
 */
export function oursWith(accounts: number): Contender {
  return nodeContender('gcp-dicomweb-proxy', 'ours', { args: [String(accounts)] })
}
