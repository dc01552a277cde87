import type { AccountSettings, Settings } from '../../config/settings.ts'
import type { AccessToken } from '../../credentials/access-token.ts'
import { DiagnosedError } from '../../errors.ts'
import type { Connections } from '../../forward/connections.ts'
import { networkFailureOf } from '../../network-failure.ts'
import { withoutSecrets } from '../../outside-words.ts'
import { redactMessage } from '../../server/redact-message.ts'
import { googleErrorIn } from '../../stores/google-error.ts'

/** Google's response, as far as a check may look at it: of a success, only if `keep` says so. */
export interface GoogleResponse {
  readonly status: number
  /** Google's own words about a refusal, without anything of a patient. */
  readonly message: string
  /** `reason` of its google.rpc.ErrorInfo, such as SERVICE_DISABLED. */
  readonly reason: string
  /** The project that it names in there. */
  readonly project: string
  /** That the request was sent with. */
  readonly quotaProject: string | null
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
  /** Whether a success is kept. DICOMweb responses never are: they are about patients. */
  readonly keep: boolean
}

/** How long Google may take, unless `Timeouts.SearchResponse` is less. */
const maxResponseMs = 30_000

/**
 * Asks Google something for an account, over the proxy's own connections. Rejects with a
 * DiagnosedError if there is no response.
 */
export async function askGoogle(question: Question): Promise<GoogleResponse> {
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
  const signal = AbortSignal.timeout(Math.min(maxResponseMs, longest))
  const init = { method, headers, signal, redirect: 'manual', ...(body && { body: JSON.stringify(body) }) } as const
  try {
    const response = await connections.fetch(url, init)
    const text = response.ok && !keep ? '' : await response.text()
    return { ...read(response, text, new URL(url).pathname, token), quotaProject: quotaProject ?? null }
  } catch (cause) {
    const { code, kind, problem: what, remedy } = networkFailureOf(cause)
    const none = kind === 'invalid' ? "Google's response cannot be used" : 'Google did not respond'
    const problem = `${none}: ${what}${code ? ` (${code})` : ''}.`
    throw new DiagnosedError({ code: 'no-response', problem, remedy }, { cause })
  }
}

function read(
  response: Response,
  text: string,
  path: string,
  token: AccessToken,
): Omit<GoogleResponse, 'quotaProject'> {
  const { status } = response
  const document = parsed(text)
  const { message: words = '', reason = '', project = '' } = googleErrorIn(document) ?? {}
  const message = words && redactMessage(withoutSecrets(words, [token.value]), status, path)
  const challenge = response.headers.get('www-authenticate') ?? ''
  return {
    status,
    message,
    reason,
    project,
    lacksScope: /insufficient_scope/.test(challenge),
    content: response.ok && !Array.isArray(document) ? document : null,
  }
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text)
    return typeof value === 'object' ? value : null
  } catch {
    return null
  }
}
