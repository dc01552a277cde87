import type { TokenFailure } from '../../credentials/access-token.ts'
import { type IssuerRefusal, issuerRefusalOf } from '../../credentials/token-failure.ts'
import { type KnownCredential, sentence } from './credential.ts'
import { setClock } from './network.ts'
import { Trouble } from './trouble.ts'

interface Case extends Pick<IssuerRefusal, 'status'> {
  /** Of OAuth or of Google's APIs; empty if there is none. */
  readonly code: string
  /** Google's own. */
  readonly words: string
  readonly clockIsRight: boolean
  readonly type: KnownCredential['type'] | null
  /** E-mail address and file, or words that stand for them. */
  readonly account: string
  readonly file: string
}

interface Rule {
  readonly code: string
  readonly applies: (refusal: Case) => boolean
  readonly why: (refusal: Case) => string
  readonly remedy: (refusal: Case) => string
}

/** What an issuer's refusal means; the first that applies. OAuth's `invalid_grant` (RFC 6749 5.2) is many things at once. */
const rules: readonly Rule[] = [
  {
    code: 'token-clock',
    applies: ({ code, words, clockIsRight }) =>
      code === 'invalid_grant' && (!clockIsRight || /\b(iat|exp)\b|timeframe/i.test(words)),
    why: () => 'The signed request is not of this time: the clock of this machine is wrong.',
    remedy: () => `Set it: ${setClock}`,
  },
  {
    code: 'account-gone',
    applies: ({ code, words }) => code === 'invalid_grant' && /account not found/i.test(words),
    why: ({ account }) => `Google knows no ${account}: it was deleted, or is disabled.`,
    remedy: ({ account }) =>
      `Look for it: gcloud iam service-accounts describe ${account}. Then take the key of one that exists.`,
  },
  {
    code: 'key-revoked',
    applies: ({ code, type }) => code === 'invalid_grant' && type === 'service_account',
    why: ({ account, file }) =>
      `The key in ${file} is none of ${account}: it was deleted at Google, or does not belong to that account.`,
    remedy: ({ account, file }) =>
      `List its keys: gcloud iam service-accounts keys list --iam-account=${account}. A new one: gcloud iam service-accounts keys create ${file} --iam-account=${account}`,
  },
  {
    code: 'login-revoked',
    applies: ({ code }) => code === 'invalid_grant',
    why: () => 'The refresh token is revoked or has expired.',
    remedy: () => 'Sign in again: gcloud auth application-default login (or make the authorized-user file anew).',
  },
  {
    code: 'client-wrong',
    applies: ({ code }) => code === 'invalid_client',
    why: () => 'Client id or client secret are wrong.',
    remedy: () =>
      'Correct AuthorizedUserClientId and AuthorizedUserClientSecret, or the file; sign in again: gcloud auth application-default login',
  },
  {
    code: 'impersonation-denied',
    applies: ({ code }) => code === 'PERMISSION_DENIED',
    why: ({ account }) => `The identity may not act as ${account}.`,
    remedy: ({ account }) =>
      `gcloud iam service-accounts add-iam-policy-binding ${account} --member=serviceAccount:SOURCE --role=roles/iam.serviceAccountTokenCreator, and gcloud services enable iamcredentials.googleapis.com`,
  },
  {
    code: 'token-quota',
    applies: ({ status }) => status === 429,
    why: () => 'Too many tokens are asked for.',
    remedy: () => 'Wait a minute; find out what else uses this credential.',
  },
  {
    code: 'issuer-down',
    applies: ({ status }) => status >= 500,
    why: () => 'The issuer of tokens is in trouble.',
    remedy: () =>
      'Wait, and look at https://status.cloud.google.com; the proxy goes on with the token that it has, and keeps trying.',
  },
]

/** Why no token came, and what to do. */
export function tokenTrouble(failure: TokenFailure, known: KnownCredential | null, clockIsRight: boolean): Trouble {
  const refusal = issuerRefusalOf(failure.cause)
  if (!refusal) return otherTrouble(failure, known)
  const { status, said, code = '', words = '' } = refusal
  const account = known?.email ?? 'the service account'
  const file = known?.file ?? 'the credential'
  const found: Case = { status, code, words, clockIsRight, type: known?.type ?? null, account, file }
  const rule = rules.find(({ applies }) => applies(found))
  if (!rule) return new Trouble('token-refused', said, refusal.remedy, { cause: failure })
  return new Trouble(rule.code, `${said} ${rule.why(found)}`, rule.remedy(found), { cause: failure })
}

/** Of a failure that is no issuer's refusal. */
function otherTrouble(failure: TokenFailure, known: KnownCredential | null): Trouble {
  const cause = { cause: failure }
  if (known?.type === 'metadata') {
    const [why = ''] = failure.message.split(/(?<=machine\.) /)
    return new Trouble('no-credential', why, noCredential, cause)
  }
  if (/not an access token/.test(failure.message)) {
    return new Trouble('issuer-wrong', failure.message.replace(/: is it.*/, '.'), wrongIssuer, cause)
  }
  // One or two sentences: what happened and, after a colon or in the second, what to do.
  const [first = '', second = ''] = failure.message.split(/(?<=\.) (.*)/s)
  const [what = '', hint = ''] = first.split(/: (?=check|set|use)(.*)/s)
  const remedy = sentence(second || hint || 'Look at the lines above; the proxy keeps trying.')
  return new Trouble('token-unreached', hint === '' ? first : `${what}.`, remedy, cause)
}

const noCredential =
  'gcloud auth application-default login, or name a key file in ServiceAccountFile or GOOGLE_APPLICATION_CREDENTIALS; on a Google Cloud machine, attach a service account to it.'
const wrongIssuer =
  'Correct TokenUrl where it is set (Google: https://oauth2.googleapis.com/token); ask who runs the network whether a login page is on the way.'
