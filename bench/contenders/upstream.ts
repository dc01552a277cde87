import { readFileSync } from 'node:fs'
import { readUpstreamFile, type Upstream } from '../store.ts'

/** What the bench tells a contender of its upstream, with the authority read. */
export function readUpstream(): Upstream & { readonly authority: string } {
  const upstream = readUpstreamFile(process.argv[2] ?? '')
  return { ...upstream, authority: readFileSync(upstream.authorityFile, 'utf8') }
}
