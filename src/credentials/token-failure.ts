import { gaxios } from 'google-auth-library'
import { networkFailureOf } from '../network-failure.ts'

/** What Google's token endpoint says (RFC 6749 5.2), and what to do about it. */
const remedies: Record<string, string> = {
  invalid_grant:
    'The key or refresh token is revoked, deleted or expired, or the clock of this machine is wrong: check the clock, then make a new key or sign in again.',
  invalid_client:
    'The client id or secret is wrong: check AuthorizedUserClientId and AuthorizedUserClientSecret, or the file.',
  unauthorized_client:
    'This client may not use this kind of credential: use the credential file as Google Cloud gave it to you.',
  invalid_scope: 'The credential may not ask for the scope cloud-healthcare: sign in again with that scope.',
  invalid_target:
    'The workload identity pool or provider does not exist: check the "audience" of the external-account file.',
  PERMISSION_DENIED:
    'Impersonation is not allowed: grant roles/iam.serviceAccountTokenCreator on the target service account, and enable the IAM Service Account Credentials API.',
  NOT_FOUND: 'The service account to impersonate does not exist: check ImpersonateServiceAccount.',
}

/** What an issuer that was reached said in place of a token. */
export interface IssuerRefusal {
  readonly status: number
  /** Of OAuth or of Google's APIs: `invalid_grant`, `PERMISSION_DENIED`. */
  readonly code: string | undefined
  /** Google's own, cut and without anything that could be a secret. */
  readonly words: string | undefined
  /** What it said, in a sentence. */
  readonly said: string
  /** What to do, in a sentence or two. */
  readonly remedy: string
}

/** The refusal that a failed token request ended in; null if it ended in another way. */
export function issuerRefusalOf(error: unknown): IssuerRefusal | null {
  const answer = (error as { response?: { status?: number; data?: unknown } } | undefined)?.response
  if (!answer?.status) return null
  const { status } = answer
  const { code, words } = googleError(answer.data)
  const quoted = [code, words].filter(Boolean).join(': ')
  const said = `The token endpoint answered ${status}${quoted ? ` (${quoted})` : ''}.`
  return { status, code, words, said, remedy: (code && remedies[code]) ?? hintFor(status) }
}

/** Says in one or two sentences why an issuer gave no token. Quotes Google's own words, never a request's content. */
export function describeTokenFailure(error: unknown): string {
  const refusal = issuerRefusalOf(error)
  if (refusal) return `${refusal.said} ${refusal.remedy}`
  if (error instanceof gaxios.GaxiosError) return describeNetworkFailure(error)
  return 'No token came of the answer or the credential: check the credential and the token URL.'
}

function hintFor(status: number): string {
  if (status >= 500) return 'Google is in trouble: this proxy keeps trying.'
  if (status < 400) return 'That is a redirect, which is not followed: check the token URL.'
  return 'Check the credential and the token URL.'
}

/** OAuth errors are `{error, error_description}`; those of Google's other APIs `{error: {status, message}}`. */
function googleError(data: unknown): { code: string | undefined; words: string | undefined } {
  const { error, error_description: description } = (data ?? {}) as { error?: unknown; error_description?: unknown }
  if (typeof error === 'string') return { code: printable(error), words: printable(description) }
  const { status, message } = (error ?? {}) as { status?: unknown; message?: unknown }
  return { code: printable(status), words: printable(message) }
}

function describeNetworkFailure(error: unknown): string {
  const { reason, code, kind } = networkFailureOf(error)
  const what =
    kind === 'invalid' ? "The token endpoint's response cannot be used" : 'The token endpoint cannot be reached'
  return `${what}: ${reason}${code ? ` (${code})` : ''}.`
}

/** Text from outside, fit for a log line; an endpoint that is not Google's may quote the request, and so its secrets. */
function printable(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined
  return value
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/[\w+=/~-]{32,}/g, opaque)
    .slice(0, 300)
}

/** Names of resources, as `projects/p/locations/global`, are pairs of short words; keys, tokens and Google's client secrets (35 characters) are not. */
function opaque(run: string): string {
  return /^\/*([a-z][a-zA-Z]*\/[\w~-]{1,31}(\/|$))+$/.test(run) ? run : '…'
}
