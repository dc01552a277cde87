import type { AccountSettings, Settings } from '../../config/settings.ts'
import type { AccessToken } from '../../credentials/access-token.ts'
import type { Connections } from '../../forward/connections.ts'
import { networkFailureOf } from '../../network-failure.ts'
import { withoutSecrets } from '../../outside-words.ts'
import { redactMessage } from '../../server/redact-message.ts'
import { Trouble } from './trouble.ts'

/** What Google answered, as far as a check may look at it: of a success, only what `keep` wanted. */
export interface GoogleAnswer {
  readonly status: number
  /** Google's own words about a refusal, without anything of a patient. */
  readonly message: string
  /** `reason` of its google.rpc.ErrorInfo, such as SERVICE_DISABLED. */
  readonly reason: string
  /** Whether the token is refused because of its scopes (RFC 6750 3.1). */
  readonly lacksScope: boolean
  /** The JSON of a success that was to be kept. */
  readonly content: Readonly<Record<string, unknown>> | null
}

interface Question {
  readonly url: string
  readonly settings: Settings
  readonly account: AccountSettings
  readonly token: AccessToken
  readonly connections: Connections
  readonly accept: string
  /** Sent by POST, as JSON. */
  readonly body?: object
  /** Whether a success is kept. What DICOMweb answers never is: it is a patient's. */
  readonly keep: boolean
}

/** How long (ms) Google may take, if `Timeouts.SearchResponse` is not less. */
const patience = 30_000

/** Asks Google something for an account, over the proxy's own connections. Rejects with a Trouble if no answer comes. */
export async function askGoogle(question: Question): Promise<GoogleAnswer> {
  const { url, account, token, settings, connections, accept, body, keep } = question
  const longest = settings.outgoing.timeouts.searchResponse
  const quotaProject = account.quotaProject ?? token.quotaProject
  const headers = {
    authorization: `Bearer ${token.value}`,
    accept,
    ...(quotaProject && { 'x-goog-user-project': quotaProject }),
    ...(body && { 'content-type': 'application/json' }),
  }
  const method = body ? 'POST' : 'GET'
  const signal = AbortSignal.timeout(Math.min(patience, longest))
  const init = { method, headers, signal, redirect: 'manual', ...(body && { body: JSON.stringify(body) }) } as const
  try {
    const answer = await connections.fetch(url, init)
    const text = answer.ok && !keep ? '' : await answer.text()
    return read(answer, text, new URL(url).pathname, token)
  } catch (cause) {
    const { code, kind, reason } = networkFailureOf(cause)
    const [what = '', remedy = ''] = reason.split(/: (.*)/s)
    const why = `Google gave no answer${kind === 'invalid' ? ' that can be used' : ''}: ${what}${code ? ` (${code})` : ''}.`
    throw new Trouble('no-answer', why, `${remedy.charAt(0).toUpperCase()}${remedy.slice(1)}.`, { cause })
  }
}

interface ErrorDocument {
  readonly error?: { readonly message?: unknown; readonly details?: readonly { readonly reason?: unknown }[] }
}

function read(answer: Response, text: string, path: string, token: AccessToken): GoogleAnswer {
  const { status } = answer
  const document = parsed(text)
  const { error } = (document ?? {}) as ErrorDocument
  const reason = error?.details?.find?.((detail) => typeof detail?.reason === 'string')?.reason
  const words = typeof error?.message === 'string' ? withoutSecrets(error.message, [token.value]) : ''
  const message = words && redactMessage(words, status, path)
  const challenge = answer.headers.get('www-authenticate') ?? ''
  return {
    status,
    message,
    reason: typeof reason === 'string' ? reason : '',
    lacksScope: /insufficient_scope/.test(challenge) || reason === 'ACCESS_TOKEN_SCOPE_INSUFFICIENT',
    content: answer.ok ? document : null,
  }
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null
  } catch {
    return null
  }
}
