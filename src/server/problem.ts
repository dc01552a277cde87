import type { Inbound } from '../downstream/inbound.ts'
import { lingerWhileSending } from '../downstream/lingering-close.ts'
import { errorTable, type ProxyError } from '../errors.ts'
import { isolationHeaders } from '../guard/headers.ts'
import type { BatchCounts, InstanceCounts } from '../observe/request-event.ts'

interface About {
  readonly account?: string | undefined
  readonly requestId: string
  /** Times that the request was sent to Google. */
  readonly attempts: number
  /** Of an upload in batches. */
  readonly batches?: BatchCounts | undefined
  readonly instances?: InstanceCounts | undefined
}

/**
 * The body of the proxy's own responses: problem details (RFC 9457) for people who have to act
 * on them.
 */
export function problemDocument(error: ProxyError, about: About): string {
  const { account, requestId, attempts } = about
  const { code, title, status, layer, message: detail } = error
  const type = `urn:gcp-dicomweb-proxy:${code}`
  const upload = about.batches && uploadCounts(about.batches, about.instances)
  return JSON.stringify({ type, title, status, detail, code, account, requestId, layer, attempts, ...upload })
}

/** How far an upload in batches has come: numbers only, nothing of what it holds. */
function uploadCounts({ sent, failed, instances }: BatchCounts, counts: InstanceCounts | undefined) {
  return { instances, instancesStored: counts?.stored, batches: sent, batchesFailed: failed }
}

/** RFC 9110 11.6.1, RFC 7617 2.1, RFC 6750 3. */
const challenge = 'Basic realm="gcp-dicomweb-proxy", charset="UTF-8", Bearer realm="gcp-dicomweb-proxy"'

/**
 * Headers of such a response; `Proxy-Status` (RFC 9209) tells machines on the way that it is not
 * Google's.
 */
export function problemHeaders({ code, retryAfter, allow }: ProxyError, body: string): Record<string, string | number> {
  const isChallenge = code === 'client-unauthenticated'
  return {
    ...isolationHeaders,
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    vary: 'Origin',
    'proxy-status': `gcp-dicomweb-proxy; error=${errorTable[code].proxyStatus}; details="${code}"`,
    ...(isChallenge && { 'www-authenticate': challenge }),
    ...(allow && { allow: allow.join(',') }),
    ...(retryAfter !== undefined && { 'retry-after': retryAfter }),
  }
}

/**
 * Sends the problem as the response. A response that has begun can't become one: its connection is
 * reset instead.
 */
export function sendProblem(inbound: Inbound, error: ProxyError, about: About): void {
  const { response } = inbound
  if (response.headersSent) {
    inbound.reset()
    return
  }
  lingerWhileSending(response)
  const body = problemDocument(error, about)
  response.writeHead(error.status, problemHeaders(error, body))
  response.end(response.req.method === 'HEAD' ? undefined : body)
}
