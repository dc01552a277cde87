import { Transform } from 'node:stream'
import { returnedHeaders } from '../guard/headers.ts'
import type { Exchange } from './exchange.ts'
import type { UpstreamHeaders } from './held-answer.ts'
import { namesResources, UrlRewriter } from './public-urls.ts'

/**
 * Begins the client's answer with the status and headers of Google's. Throws when they can't be sent.
 *
 * @returns what rewrites the body's URLs, if that is asked for and the body has any
 */
export function beginAnswer(
  { response, urls }: Pick<Exchange, 'response' | 'urls'>,
  status: number,
  upstream: UpstreamHeaders,
): UrlRewriter | null {
  const headers = returnedHeaders(upstream)
  const rewriter = urls && namesResources(headers) ? new UrlRewriter(urls) : null
  if (rewriter) delete headers['content-length']
  response.writeHead(status, headers)
  return rewriter
}

/** The rewriter, or nothing, as stages of a pipeline. */
export function rewritingStages(rewriter: UrlRewriter | null): Transform[] {
  if (!rewriter) return []
  const stage = new Transform({
    transform: (chunk, _encoding, done) => done(null, rewriter.push(chunk)),
    flush: (done) => done(null, rewriter.end()),
  })
  return [stage]
}
