import type { AccountSettings, DicomWebService } from '../config/settings.ts'
import type { Diagnosis, Explanation } from '../errors.ts'

/** What a service needs at Google: https://cloud.google.com/healthcare-api/docs/access-control. */
export const permissions: Readonly<Record<DicomWebService, { permission: string; role: string }>> = {
  'STOW-RS': { permission: 'healthcare.dicomStores.dicomWebWrite', role: 'roles/healthcare.dicomEditor' },
  'QIDO-RS': { permission: 'healthcare.dicomStores.dicomWebRead', role: 'roles/healthcare.dicomViewer' },
  'WADO-RS': { permission: 'healthcare.dicomStores.dicomWebRead', role: 'roles/healthcare.dicomViewer' },
  DELETE: { permission: 'healthcare.dicomStores.dicomWebDelete', role: 'roles/healthcare.dicomEditor' },
}

/**
 * How the configuration names an account's store, and the project that pays; the credential may
 * name that as well.
 */
export type StoreNames = Pick<AccountSettings, 'project' | 'location' | 'dataset' | 'dicomStore' | 'quotaProject'>

/** A response of Google's that is not a success, and what is known of it. */
export interface GoogleRefusal {
  readonly status: number
  /** `store`: the DICOM store itself, as `check` requests it. */
  readonly requested: DicomWebService | 'store'
  /** `reason` of its google.rpc.ErrorInfo, such as SERVICE_DISABLED. */
  readonly reason?: string
  /** The project that it names in there. */
  readonly project?: string
  /** Whether Google rejects the token because of its scopes (RFC 6750 3.1). */
  readonly lacksScope?: boolean
  /** Google's own words, without secrets and patient data. */
  readonly message?: string
  readonly account?: StoreNames
  /** Of a search: what Google can't do of it, by its query, and what it can search. */
  readonly search?: { readonly problems: readonly string[]; readonly remedy: string } | null
  /** As gcloud's `--member` wants it. */
  readonly member?: string
}

/** The same with words for what is not known. */
interface Case extends GoogleRefusal, ReasonCase {
  readonly store: Omit<StoreNames, 'quotaProject'>
}

/** What there is to know where one of Google's APIs gives a reason. */
interface ReasonCase {
  /** Host name of the API. */
  readonly api: string
  /** The project that the quota counts against. */
  readonly billed: string
  readonly to: string
}

interface Meaning<Known> {
  readonly code: string
  /** Without its final stop, for Google's own words follow. */
  readonly problem: (refusal: Known) => string
  readonly remedy: (refusal: Known) => string
}

interface Rule extends Meaning<Case> {
  readonly applies: (refusal: Case) => boolean
}

const healthcareApi = 'healthcare.googleapis.com'
const apiNames: Readonly<Record<string, string>> = {
  [healthcareApi]: 'Cloud Healthcare API',
  'iamcredentials.googleapis.com': 'IAM Service Account Credentials API',
  'sts.googleapis.com': 'Security Token Service API',
}

/** In place of a project that nobody has named. */
const unnamed = 'PROJECT'

const scope: Meaning<ReasonCase> = {
  code: 'scope',
  problem: ({ api }) =>
    api === healthcareApi
      ? 'The token lacks the scope cloud-healthcare or cloud-platform'
      : 'The token lacks the scope cloud-platform',
  remedy: () =>
    'Sign in with that scope: gcloud auth application-default login --scopes=https://www.googleapis.com/auth/cloud-platform. On a Google Cloud machine: gcloud compute instances set-service-account INSTANCE --scopes=cloud-platform',
}
const quotaProject: Meaning<ReasonCase> = {
  code: 'quota-project',
  problem: ({ billed }) => `This identity may not use the quota project${billed === unnamed ? '' : ` ${billed}`}`,
  remedy: ({ billed, to }) =>
    `Correct QuotaProject (or GOOGLE_CLOUD_QUOTA_PROJECT, or quota_project_id in the credential's file), or grant the role: gcloud projects add-iam-policy-binding ${billed} --member=${to} --role=roles/serviceusage.serviceUsageConsumer`,
}

/**
 * What Google's APIs mean by the reasons that they give, the store's and those that issue tokens
 * alike
 * (https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto). One status
 * has many: a 403 is a missing role in one of them only, which is why IAM_PERMISSION_DENIED is not
 * here.
 */
const reasons: Readonly<Record<string, Meaning<ReasonCase>>> = {
  ACCESS_TOKEN_SCOPE_INSUFFICIENT: scope,
  SERVICE_DISABLED: {
    code: 'api-disabled',
    problem: ({ api }) => `The ${apiNames[api] ?? `API ${api}`} is not enabled`,
    remedy: ({ api, billed }) => `Enable it: gcloud services enable ${api} --project=${billed}`,
  },
  USER_PROJECT_DENIED: quotaProject,
  BILLING_DISABLED: {
    code: 'billing',
    problem: ({ billed }) => `Billing is disabled for the project ${billed}`,
    remedy: ({ billed }) =>
      `Link a billing account to it: https://console.cloud.google.com/billing/linkedaccount?project=${billed}`,
  },
  CONSUMER_INVALID: {
    code: 'project',
    problem: ({ billed }) => `The project ${billed} does not exist, or was deleted`,
    remedy: () => 'Correct Project and QuotaProject.',
  },
  CONSUMER_SUSPENDED: {
    code: 'project',
    problem: ({ billed }) => `Google has suspended the project ${billed}`,
    remedy: () => "Ask the project's owner, or Google's support.",
  },
  ACCOUNT_STATE_INVALID: {
    code: 'account-gone',
    problem: () => 'The service account or user of this credential was disabled or deleted',
    remedy: () => 'Enable it again, or use the credential of another one.',
  },
  SECURITY_POLICY_VIOLATED: {
    code: 'perimeter',
    problem: () => 'A VPC Service Controls perimeter keeps this machine out',
    remedy: () => 'Ask for an access level or ingress rule for this machine or identity.',
  },
}

const statusIs = (status: number) => (refusal: Case) => refusal.status === status
const checkPersistent = 'If it persists, check https://status.cloud.google.com'

/** What Google's other refusals mean: the first rule that applies. */
const rules: readonly Rule[] = [
  { ...scope, applies: ({ lacksScope }) => lacksScope === true },
  {
    code: 'token-rejected',
    applies: statusIs(401),
    problem: () => 'Google rejects a new access token (401)',
    remedy: () =>
      "Check this machine's clock, the credential, and that BaseUrl and TokenUrl belong to the same Google.",
  },
  {
    ...quotaProject,
    applies: ({ account, message = '' }) => !!account?.quotaProject && /permission to use project/.test(message),
  },
  {
    code: 'store-denied',
    applies: ({ status, requested }) => status === 403 && requested === 'store',
    problem: () => 'The store does not exist, or this identity has no permission on it (403)',
    remedy: ({ store, to }) =>
      `Check that it exists: ${listCommand(store)}. If it does, grant the role: ${grantCommand(store, to, 'roles/healthcare.dicomEditor')}. If not, correct Project, Location, Dataset and DicomStore.`,
  },
  {
    code: 'permission-missing',
    applies: statusIs(403),
    problem: ({ requested }) =>
      `Google denies ${requested} (403): it needs the permission ${needOf(requested).permission}`,
    remedy: ({ requested }) =>
      `Grant the account's identity ${needOf(requested).role} on this store. Also check Project, Location, Dataset and DicomStore: Google returns 403 for a missing store as well.`,
  },
  {
    code: 'no-store',
    applies: ({ status, requested }) => status === 404 && requested === 'store',
    problem: () => 'There is no such DICOM store',
    remedy: ({ store }) =>
      `Correct Project, Location, Dataset and DicomStore. To list what exists: ${listCommand(store)}`,
  },
  {
    code: 'not-all-stored',
    applies: ({ status, requested }) => status === 409 && requested === 'STOW-RS',
    problem: () => notAllStored.problem.slice(0, -1),
    remedy: () => notAllStored.remedy,
  },
  {
    code: 'redirect',
    applies: ({ status }) => status >= 300 && status < 400,
    problem: ({ status }) => `The response is a redirect (${status}), which Google never sends`,
    remedy: () => "Correct BaseUrl, and ask the network's administrator whether a login page responds instead.",
  },
  {
    code: 'search-unsupported',
    applies: ({ status, search }) => status === 400 && !!search && search.problems.length > 0,
    problem: ({ search }) => `Google does not support this search (400): ${search?.problems.join('; ')}`,
    remedy: ({ search }) => search?.remedy ?? '',
  },
  {
    code: 'bad-request',
    applies: statusIs(400),
    problem: () => 'Google does not understand the request (400)',
    remedy: ({ requested, search }) => {
      if (search) return `Check its query and Accept. ${search.remedy}`
      return requested === 'STOW-RS'
        ? 'Check its Content-Type, and that each part is a DICOM instance.'
        : 'Check its query, Accept and Content-Type.'
    },
  },
  {
    code: 'not-found',
    applies: statusIs(404),
    problem: () => 'The requested resource is not in this store (404)',
    remedy: () => 'Search for it, and check that this account is the right store.',
  },
  {
    code: 'no-such-method',
    applies: statusIs(405),
    problem: () => 'Google does not offer this method there (405)',
    remedy: () => "Check path and method against Google's DICOM conformance statement.",
  },
  {
    code: 'not-acceptable',
    applies: statusIs(406),
    problem: () => 'Google cannot respond in the form that Accept asks for (406)',
    remedy: () =>
      'Request transfer-syntax=* to get instances as they are stored, and application/dicom+json otherwise.',
  },
  {
    code: 'request-timeout',
    applies: statusIs(408),
    problem: () => 'Google waited too long for the request (408)',
    remedy: () => 'Check the connection to Google, and send the request again.',
  },
  {
    code: 'conflict',
    applies: statusIs(409),
    problem: () => 'Something else, such as a deletion, is in progress on this study or series (409)',
    remedy: () => 'Send the request again when it has ended.',
  },
  {
    code: 'too-large',
    applies: statusIs(413),
    problem: () => 'The request is larger than Google accepts (413): 10 MB, except for uploads',
    remedy: () => 'Request less at once.',
  },
  {
    code: 'too-long',
    applies: ({ status }) => status === 414 || status === 431,
    problem: ({ status }) => `The request line or the headers are longer than Google accepts (${status})`,
    remedy: () => 'Shorten the query: ask for fewer attributes or UIDs at once.',
  },
  {
    code: 'media-type',
    applies: statusIs(415),
    problem: () => 'Google does not accept this Content-Type (415)',
    remedy: () => 'Send multipart/related with type="application/dicom".',
  },
  {
    code: 'range',
    applies: statusIs(416),
    problem: () => 'The requested range is not in the resource (416)',
    remedy: () => 'Request all of it.',
  },
  {
    code: 'quota',
    applies: statusIs(429),
    problem: () => 'Google limits the rate (429)',
    remedy: ({ account, billed }) =>
      `Send fewer requests at once (Concurrency), or ask Google for a higher quota${account ? `: https://console.cloud.google.com/apis/api/healthcare.googleapis.com/quotas?project=${billed}` : " of this project's Cloud Healthcare API."}`,
  },
  {
    code: 'not-implemented',
    applies: statusIs(501),
    problem: () => 'Google does not offer this (501)',
    remedy: () => 'Request it in another way.',
  },
  {
    code: 'google-failed',
    applies: statusIs(502),
    problem: () => 'Google, or an outgoing proxy on the way to it, failed (502)',
    remedy: () => `Send the request again later. ${checkPersistent}`,
  },
  {
    code: 'google-failed',
    applies: ({ status }) => status === 503 || status === 504,
    problem: ({ status }) => `Google is busy or ran out of time (${status})`,
    remedy: () => `Send the request again later, and fewer at once. ${checkPersistent}`,
  },
  {
    code: 'google-failed',
    applies: ({ status }) => status >= 500,
    problem: ({ status }) => `Google failed (${status})`,
    remedy: () => `Send the request again later. ${checkPersistent}`,
  },
]

/**
 * Of an upload. Also said where Google reports failed instances under a status that looks like
 * success.
 */
export const notAllStored = {
  problem: 'Not every instance was stored.',
  remedy:
    'Read in the response why: FailureDetail (0009,0097; in JSON FailureDetailJSON, 0009,1097) of each item of 0008,1198 says it in words, for the reason code is always the same; the instances under 0008,1199 are stored. Google rejects an instance that is not valid DICOM, that exists with other bytes, or whose study is being deleted: do not delete a study in order to resend it.',
}

/**
 * What a refusal of Google's means, and what to do: for the log, the status page, problem documents
 * and `check`.
 */
export function diagnoseGoogleRefusal(refusal: GoogleRefusal): Diagnosis {
  const { status, requested, account, member: to = 'MEMBER', message = '', reason = '', project } = refusal
  const store = account ?? { project: 'PROJECT', location: 'LOCATION', dataset: 'DATASET', dicomStore: 'DICOM_STORE' }
  const billed = account?.quotaProject ?? (project || store.project)
  const found: Case = { ...refusal, store, billed, to, api: healthcareApi }
  const meaning = meaningOf(reason) ?? rules.find(({ applies }) => applies(found)) ?? otherRefusal
  const quoted = message === '' ? '' : `: "${message.replace(/\.$/, '')}"`
  const problem = `${meaning.problem(found)}${quoted}.`
  const explanation = { problem, remedy: meaning.remedy(found) }
  const mayBeStored = requested === 'STOW-RS' && status >= 500 && status !== 501
  return { code: meaning.code, ...(mayBeStored ? searchingFirst(explanation) : explanation) }
}

/**
 * What the reason alone says that an API of Google's gives with a refusal; null if it says nothing
 * for certain.
 */
export function diagnoseReason(reason: string, { api, project }: { api: string; project: string }): Diagnosis | null {
  const meaning = meaningOf(reason)
  if (!meaning) return null
  const found = { api, billed: project || unnamed, to: 'MEMBER' }
  return { code: meaning.code, problem: `${meaning.problem(found)}.`, remedy: meaning.remedy(found) }
}

function meaningOf(reason: string): Meaning<ReasonCase> | undefined {
  return Object.hasOwn(reasons, reason) ? reasons[reason] : undefined
}

/** Of an upload, after a failure that does not tell what was stored before it. */
export function searchingFirst({ problem, remedy }: Explanation): Explanation {
  return { problem, remedy: `Search before you resend: some instances may be stored. ${remedy}` }
}

const otherRefusal: Meaning<Case> = {
  code: 'refused',
  problem: ({ status }) => `Google refuses the request (${status})`,
  remedy: () => "Read Google's message in the response, and correct the request.",
}

function needOf(requested: GoogleRefusal['requested']) {
  return permissions[requested === 'store' ? 'QIDO-RS' : requested]
}

function listCommand({ project, location, dataset }: Case['store']): string {
  return `gcloud healthcare dicom-stores list --dataset=${dataset} --project=${project} --location=${location}`
}

/** Grants a role on an account's store. */
export function grantCommand(
  { project, location, dataset, dicomStore }: Case['store'],
  member: string,
  role: string,
): string {
  return `gcloud healthcare dicom-stores add-iam-policy-binding ${dicomStore} --project=${project} --location=${location} --dataset=${dataset} --member=${member} --role=${role}`
}
