import { readFileSync } from 'node:fs'
import type { Upstream } from '../store.ts'

/** What the bench tells a contender of its upstream, with the authority read. */
export function readUpstream(): Upstream & { readonly authority: string } {
  const upstream = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Upstream
  return { ...upstream, authority: readFileSync(upstream.authorityFile, 'utf8') }
}
