import type { AccountSettings, DicomWebService } from '../config/settings.ts'
import type { Diagnosis } from '../errors.ts'

/** What a service needs at Google: https://cloud.google.com/healthcare-api/docs/access-control. */
export const permissions: Readonly<Record<DicomWebService, { permission: string; role: string }>> = {
  'STOW-RS': { permission: 'healthcare.dicomStores.dicomWebWrite', role: 'roles/healthcare.dicomEditor' },
  'QIDO-RS': { permission: 'healthcare.dicomStores.dicomWebRead', role: 'roles/healthcare.dicomViewer' },
  'WADO-RS': { permission: 'healthcare.dicomStores.dicomWebRead', role: 'roles/healthcare.dicomViewer' },
  DELETE: { permission: 'healthcare.dicomStores.dicomWebDelete', role: 'roles/healthcare.dicomEditor' },
}

/** A response of Google's that is not a success, and what is known of it. */
export interface GoogleRefusal {
  readonly status: number
  /** `store`: the DICOM store itself, as `check` requests it. */
  readonly requested: DicomWebService | 'store'
  /** `reason` of its google.rpc.ErrorInfo, such as SERVICE_DISABLED. */
  readonly reason?: string
  /** Whether Google rejects the token because of its scopes (RFC 6750 3.1). */
  readonly lacksScope?: boolean
  /** Google's own words, without secrets and patient data. */
  readonly message?: string
  readonly account?: AccountSettings
  /** As gcloud's `--member` wants it. */
  readonly member?: string
}

/** The same with words for what is not known. */
interface Case extends GoogleRefusal {
  readonly store: Pick<AccountSettings, 'project' | 'location' | 'dataset' | 'dicomStore'>
  /** The project that the quota counts against. */
  readonly billed: string
  readonly to: string
}

interface Rule {
  readonly code: string
  readonly applies: (refusal: Case) => boolean
  /** Without its final stop, for Google's own words follow. */
  readonly problem: (refusal: Case) => string
  readonly remedy: (refusal: Case) => string
}

const statusIs = (status: number) => (refusal: Case) => refusal.status === status
const checkPersistent = 'If it persists, check https://status.cloud.google.com'

/**
 * What Google's refusals mean: the first rule that applies. Used by the log, the status page and
 * `check`.
 */
const rules: readonly Rule[] = [
  {
    code: 'token-rejected',
    applies: statusIs(401),
    problem: () => 'Google rejects a new access token (401)',
    remedy: () =>
      "Check this machine's clock, the credential, and that BaseUrl and TokenUrl belong to the same Google.",
  },
  {
    code: 'scope',
    applies: ({ lacksScope }) => lacksScope === true,
    problem: () => 'The token lacks the scope cloud-healthcare or cloud-platform',
    remedy: () =>
      'Sign in with that scope: gcloud auth application-default login --scopes=https://www.googleapis.com/auth/cloud-platform. On a Google Cloud machine: gcloud compute instances set-service-account INSTANCE --scopes=cloud-platform',
  },
  {
    code: 'api-disabled',
    applies: ({ reason }) => reason === 'SERVICE_DISABLED',
    problem: () => 'The Cloud Healthcare API is not enabled',
    remedy: ({ billed }) => `Enable it: gcloud services enable healthcare.googleapis.com --project=${billed}`,
  },
  {
    code: 'quota-project',
    applies: ({ reason, account, message = '' }) =>
      reason === 'USER_PROJECT_DENIED' || (!!account?.quotaProject && /permission to use project/.test(message)),
    problem: ({ billed }) => `This identity may not use the quota project ${billed}`,
    remedy: ({ billed, to }) =>
      `Correct QuotaProject, or grant the role: gcloud projects add-iam-policy-binding ${billed} --member=${to} --role=roles/serviceusage.serviceUsageConsumer`,
  },
  {
    code: 'perimeter',
    applies: ({ reason }) => reason === 'SECURITY_POLICY_VIOLATED',
    problem: () => 'A VPC Service Controls perimeter keeps this machine out',
    remedy: () => 'Ask for an access level or ingress rule for this machine or identity.',
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
    code: 'bad-request',
    applies: statusIs(400),
    problem: () => 'Google does not understand the request (400)',
    remedy: ({ requested }) =>
      requested === 'STOW-RS'
        ? 'Check its Content-Type, and that each part is a DICOM instance.'
        : 'Check its query, Accept and Content-Type.',
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
    'Read the reasons in the response (0008,1198); the instances under 0008,1199 are stored. Google rejects an instance that exists with other bytes, or whose study is being deleted: do not delete a study in order to resend it.',
}

/** What a refusal of Google's means, and what to do. */
export function diagnoseGoogleRefusal(refusal: GoogleRefusal): Diagnosis {
  const { status, requested, account, member: to = 'MEMBER', message = '' } = refusal
  const store = account ?? { project: 'PROJECT', location: 'LOCATION', dataset: 'DATASET', dicomStore: 'DICOM_STORE' }
  const found: Case = { ...refusal, store, billed: account?.quotaProject ?? store.project, to }
  const rule = rules.find(({ applies }) => applies(found)) ?? otherRefusal
  const quoted = message === '' ? '' : `: "${message.replace(/\.$/, '')}"`
  const remedy = rule.remedy(found)
  return {
    code: rule.code,
    problem: `${rule.problem(found)}${quoted}.`,
    remedy: requested === 'STOW-RS' && status >= 500 && status !== 501 ? `${searchFirst} ${remedy}` : remedy,
  }
}

/** After a failure that does not tell what was stored before it. */
const searchFirst = 'Search before you resend: some instances may be stored.'

const otherRefusal: Rule = {
  code: 'refused',
  applies: () => true,
  problem: ({ status }) => `Google refuses the request (${status})`,
  remedy: () => "Read Google's message in the response, and correct the request.",
}

function needOf(asked: GoogleRefusal['requested']) {
  return permissions[asked === 'store' ? 'QIDO-RS' : asked]
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
