import type { AccountSettings } from '../../config/settings.ts'
import type { GoogleAnswer } from './google-answer.ts'
import { Trouble } from './trouble.ts'

/** Whom a refusal concerns. */
export interface Refused {
  readonly account: AccountSettings
  /** As gcloud's `--member` wants it. */
  readonly member: string
}

/** Why Google refuses whatever is asked of it for an account; null if the answer says nothing of the kind. */
export function serviceTrouble(answer: GoogleAnswer, { account, member }: Refused): Trouble | null {
  const { project, quotaProject } = account
  const said = quoted(answer)
  if (answer.status === 401) {
    return new Trouble(
      'token-rejected',
      `Google refuses a token that was issued just now${said}.`,
      'Look at the clock of this machine, and at BaseUrl and TokenUrl: do both belong to the same Google?',
    )
  }
  if (answer.lacksScope) {
    return new Trouble(
      'scope',
      `The token lacks the scope cloud-healthcare or cloud-platform${said}.`,
      'Sign in with it: gcloud auth application-default login --scopes=https://www.googleapis.com/auth/cloud-platform. On a Google Cloud machine: gcloud compute instances set-service-account INSTANCE --scopes=cloud-platform',
    )
  }
  if (answer.reason === 'SERVICE_DISABLED') {
    return new Trouble(
      'api-disabled',
      `The Cloud Healthcare API is not enabled${said}.`,
      `gcloud services enable healthcare.googleapis.com --project=${quotaProject ?? project}`,
    )
  }
  if (answer.reason === 'USER_PROJECT_DENIED' || (quotaProject && /permission to use project/.test(answer.message))) {
    const billed = quotaProject ?? project
    return new Trouble(
      'quota-project',
      `The project ${billed}, that quota counts against, may not be used${said}.`,
      `Correct QuotaProject, or: gcloud projects add-iam-policy-binding ${billed} --member=${member} --role=roles/serviceusage.serviceUsageConsumer`,
    )
  }
  if (answer.reason === 'SECURITY_POLICY_VIOLATED') {
    return new Trouble(
      'perimeter',
      `A VPC Service Controls perimeter keeps this machine out${said}.`,
      'Have an access level or ingress rule made for this machine or identity.',
    )
  }
  return loadTrouble(answer, account)
}

function loadTrouble(answer: GoogleAnswer, { project }: AccountSettings): Trouble | null {
  const said = quoted(answer)
  if (answer.status === 429) {
    return new Trouble(
      'quota',
      `Google limits the rate (429)${said}.`,
      `Send less at once (Concurrency), or ask for a higher quota: https://console.cloud.google.com/apis/api/healthcare.googleapis.com/quotas?project=${project}`,
    )
  }
  if (answer.status >= 500) {
    return new Trouble(
      'google-failed',
      `Google fails (${answer.status})${said}.`,
      'Wait, and look at https://status.cloud.google.com',
    )
  }
  if (answer.status >= 300 && answer.status < 400) {
    return new Trouble(
      'redirect',
      `What answers there redirects elsewhere (${answer.status}), which Google does not.`,
      'Correct BaseUrl; ask who runs the network whether a login page is on the way.',
    )
  }
  return null
}

/** There is no such store, or nobody may know of it. */
export function storeTrouble(answer: GoogleAnswer, { account, member }: Refused): Trouble {
  const { project, location, dataset, dicomStore } = account
  const where = `--project=${project} --location=${location}`
  const list = `gcloud healthcare dicom-stores list --dataset=${dataset} ${where}`
  if (answer.status === 404) {
    const why = `There is no such DICOM store${quoted(answer)}.`
    return new Trouble(
      'no-store',
      why,
      `Correct Project, Location, Dataset and DicomStore; those that there are: ${list}`,
    )
  }
  const grant = grantCommand(account, member, 'roles/healthcare.dicomEditor')
  const why = `The store does not exist, or this identity may do nothing with it (${answer.status})${quoted(answer)}.`
  return new Trouble(
    'store-denied',
    why,
    `Look whether it is there: ${list}. If it is: ${grant}. ${dicomStore === '' ? '' : 'Else correct Project, Location, Dataset and DicomStore.'}`.trim(),
  )
}

export function grantCommand(account: AccountSettings, member: string, role: string): string {
  const { project, location, dataset, dicomStore } = account
  return `gcloud healthcare dicom-stores add-iam-policy-binding ${dicomStore} --project=${project} --location=${location} --dataset=${dataset} --member=${member} --role=${role}`
}

export function quoted({ message }: GoogleAnswer): string {
  return message === '' ? '' : `: "${message.replace(/\.$/, '')}"`
}
