import { gaxios } from 'google-auth-library'
import type { Diagnosis } from '../errors.ts'
import { networkFailureOf } from '../network-failure.ts'
import { googleErrorIn } from '../stores/google-error.ts'
import { diagnoseReason } from '../stores/google-refusal.ts'
import type { CredentialFile } from './credential-file.ts'

/** What is known of a credential beside its issuer's response; null is not known. */
export interface CredentialFacts {
  readonly type: CredentialFile['type'] | 'metadata' | null
  /** E-mail address of its own service account. */
  readonly account: string | null
  /** E-mail address of the service account that it impersonates. */
  readonly target: string | null
  /** Path. */
  readonly file: string | null
  readonly clockIsRight: boolean | null
}

/** An issuer's response in place of a token. */
export interface IssuerRefusal {
  readonly status: number
  /**
   * Of OAuth (RFC 6749 5.2) or of Google's APIs: `invalid_grant`, `PERMISSION_DENIED`; empty if
   * there is none.
   */
  readonly error: string
  /** Google's own, cut, and without anything that could be a secret; empty if there is none. */
  readonly message: string
  /** Of one of Google's APIs: `reason` of its ErrorInfo. */
  readonly reason: string
  /** Host name of that API. */
  readonly api: string
  /** The project that it counts the request against. */
  readonly project: string
}

/** The same with words for what is not known. */
interface Case extends IssuerRefusal, Pick<CredentialFacts, 'type' | 'clockIsRight'> {
  readonly account: string
  readonly target: string
  readonly file: string
}

interface Rule {
  readonly code: string
  readonly applies: (refusal: Case) => boolean
  readonly problem: (refusal: Case) => string
  readonly remedy: (refusal: Case) => string
}

const impersonationApi = 'iamcredentials.googleapis.com'

/**
 * What an issuer's refusal means where Google gives no reason (src/stores/google-refusal.ts): the
 * first rule that applies. `invalid_grant` is many things at once. Used by the log, the status
 * page, error responses and `check`.
 */
const rules: readonly Rule[] = [
  {
    code: 'token-clock',
    applies: ({ error, message, clockIsRight }) =>
      error === 'invalid_grant' && (clockIsRight === false || /\b(iat|exp)\b|timeframe/i.test(message)),
    problem: () => "The signed request is not valid at this time: this machine's clock is wrong.",
    remedy: () => 'Set the clock: timedatectl set-ntp true',
  },
  {
    code: 'account-gone',
    applies: ({ error, message }) => error === 'invalid_grant' && /account not found/i.test(message),
    problem: ({ account }) => `Google does not know ${account}: it was deleted or disabled.`,
    remedy: ({ account }) =>
      `Check that it exists: gcloud iam service-accounts describe ${account}. If it doesn't, use the key of one that does.`,
  },
  {
    code: 'key-revoked',
    applies: ({ error, type }) => error === 'invalid_grant' && type === 'service_account',
    problem: ({ account, file }) =>
      `The key in ${file} does not belong to ${account}: it was deleted at Google, or it is the key of another account.`,
    remedy: ({ account, file, clockIsRight }) =>
      `${clockIsRight === null ? "Check this machine's clock. " : ''}List the account's keys: gcloud iam service-accounts keys list --iam-account=${account}. Make a new one: gcloud iam service-accounts keys create ${file} --iam-account=${account}`,
  },
  {
    code: 'provider-token-rejected',
    applies: ({ error, type }) => error === 'invalid_grant' && type === 'external_account',
    problem: () =>
      "Google rejects the identity provider's token: it has expired, or the workload identity pool does not accept it.",
    remedy: () =>
      "Check this machine's clock, the provider's token, and the issuer, audiences and conditions of the workload identity pool.",
  },
  {
    code: 'login-revoked',
    applies: ({ error }) => error === 'invalid_grant',
    problem: () => 'The refresh token was revoked or has expired.',
    remedy: ({ type }) =>
      type === 'external_account_authorized_user'
        ? 'Sign in again: gcloud auth application-default login --login-config=FILE'
        : 'Sign in again: gcloud auth application-default login, or make a new authorized-user file.',
  },
  {
    code: 'client-wrong',
    applies: ({ error }) => error === 'invalid_client',
    problem: () => 'The client ID or client secret is wrong.',
    remedy: () =>
      'Correct AuthorizedUserClientId and AuthorizedUserClientSecret, or the file; or sign in again: gcloud auth application-default login',
  },
  {
    code: 'client-wrong',
    applies: ({ error }) => error === 'unauthorized_client',
    problem: () => 'This client may not use this kind of credential.',
    remedy: () => 'Use the credential file as Google Cloud gave it to you.',
  },
  {
    code: 'scope',
    applies: ({ error }) => error === 'invalid_scope',
    problem: () => 'The credential may not request the scope cloud-healthcare.',
    remedy: () =>
      'Sign in again with that scope: gcloud auth application-default login --scopes=https://www.googleapis.com/auth/cloud-platform',
  },
  {
    code: 'pool-missing',
    applies: ({ error }) => error === 'invalid_target',
    problem: () => 'The workload identity pool or provider does not exist.',
    remedy: () => 'Check "audience" in the external-account file.',
  },
  {
    code: 'impersonation-denied',
    applies: ({ error }) => error === 'PERMISSION_DENIED',
    problem: ({ target }) => `The identity may not impersonate ${target}.`,
    remedy: ({ target, reason }) => {
      const grant = `Grant it the role: gcloud iam service-accounts add-iam-policy-binding ${target} --member=serviceAccount:SOURCE --role=roles/iam.serviceAccountTokenCreator`
      // Google's IAM has looked at the request, so its API is enabled.
      if (reason === 'IAM_PERMISSION_DENIED') return grant
      return `${grant}, and enable the API: gcloud services enable ${impersonationApi}`
    },
  },
  {
    code: 'account-gone',
    applies: ({ error }) => error === 'NOT_FOUND',
    problem: ({ target }) => `Google does not know ${target}.`,
    remedy: () => 'Check ImpersonateServiceAccount.',
  },
  {
    code: 'token-quota',
    applies: ({ status }) => status === 429,
    problem: () => 'Too many tokens are requested.',
    remedy: () => 'Wait a minute, and find out what else uses this credential.',
  },
  {
    code: 'issuer-down',
    applies: ({ status }) => status >= 500,
    problem: () => 'Google has a problem; the proxy keeps trying.',
    remedy: () => 'Wait, and check https://status.cloud.google.com',
  },
  {
    code: 'issuer-wrong',
    applies: ({ status }) => status < 400,
    problem: () => 'That is a redirect, which the proxy does not follow.',
    remedy: () => 'Correct TokenUrl.',
  },
]

/** The refusal in a failed token request; null if it failed in another way. */
export function issuerRefusalOf(error: unknown): IssuerRefusal | null {
  const response = (error as { response?: { status?: number; data?: unknown } } | undefined)?.response
  return response?.status ? { status: response.status, ...googleError(response.data) } : null
}

/** What an issuer's refusal means. Quotes Google's own words, never a request's content. */
export function diagnoseRefusal(refusal: IssuerRefusal, facts: CredentialFacts): Diagnosis {
  const { status, error, message } = refusal
  const quoted = [error, message].filter((text) => text !== '').join(': ')
  const response = `The token endpoint returned ${status}${quoted ? ` (${quoted})` : ''}.`
  const found: Case = {
    ...refusal,
    ...facts,
    account: facts.account ?? 'the service account',
    target: facts.target ?? 'the service account to impersonate',
    file: facts.file ?? 'the credential',
  }
  const known = diagnoseReason(refusal.reason, { api: refusal.api || impersonationApi, project: refusal.project })
  if (known) return { ...known, problem: `${response} ${known.problem}` }
  const rule = rules.find(({ applies }) => applies(found))
  if (!rule) return { code: 'token-refused', problem: response, remedy: checkCredential }
  return { code: rule.code, problem: `${response} ${rule.problem(found)}`, remedy: rule.remedy(found) }
}

const checkCredential = 'Check the credential and TokenUrl.'

/** Why a token request failed. */
export function diagnoseTokenRequest(error: unknown, facts: CredentialFacts): Diagnosis {
  const refusal = issuerRefusalOf(error)
  if (refusal) return diagnoseRefusal(refusal, facts)
  if (error instanceof gaxios.GaxiosError) return diagnoseNetworkFailure(error)
  return { code: 'token-unreached', problem: 'Could not get an access token.', remedy: checkCredential }
}

function diagnoseNetworkFailure(error: unknown): Diagnosis {
  const { problem, remedy, code, kind } = networkFailureOf(error)
  const what =
    kind === 'invalid' ? "The token endpoint's response cannot be used" : 'The token endpoint cannot be reached'
  return { code: 'token-unreached', problem: `${what}: ${problem}${code ? ` (${code})` : ''}.`, remedy }
}

/**
 * OAuth errors are `{error, error_description}`; Google's other APIs have documents of their own.
 */
function googleError(data: unknown): Omit<IssuerRefusal, 'status'> {
  const { error, error_description: description } = (data ?? {}) as { error?: unknown; error_description?: unknown }
  const none = { reason: '', api: '', project: '' }
  if (typeof error === 'string') return { ...none, error: printable(error), message: printable(description) }
  const { message, status, ...rest } = googleErrorIn(data) ?? { ...none, message: '', status: '' }
  return { ...rest, error: printable(status), message: printable(message) }
}

/**
 * Text from outside, fit for a log line; an endpoint that is not Google's may quote the request,
 * and so its secrets.
 */
function printable(value: unknown): string {
  if (typeof value !== 'string') return ''
  return value
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replace(/[\w+=/~-]{32,}/g, opaque)
    .slice(0, 300)
}

/**
 * Names of resources, as `projects/p/locations/global`, are pairs of short words; keys, tokens and
 * Google's client secrets (35 characters) are not.
 */
function opaque(run: string): string {
  return /^\/*([a-z][a-zA-Z]*\/[\w~-]{1,31}(\/|$))+$/.test(run) ? run : '…'
}
