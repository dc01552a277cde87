import type { AccountSettings, DicomWebService, Settings } from '../../config/settings.ts'
import type { AccessToken } from '../../credentials/access-token.ts'
import { DiagnosedError, type Diagnosis } from '../../errors.ts'
import type { Connections } from '../../forward/connections.ts'
import { dicomStoreOf, operationUrlsOf } from '../../stores/dicom-store.ts'
import { diagnoseGoogleRefusal, grantCommand, permissions as needs } from '../../stores/google-refusal.ts'
import { type Checklist, Skipped } from './checklist.ts'
import { askGoogle, type GoogleResponse } from './google-response.ts'

interface StoreContext {
  readonly settings: Settings
  readonly connections: Connections
  readonly account: AccountSettings
  readonly token: AccessToken
  /** As gcloud's `--member` wants it. */
  readonly member: string
}

/** What Google lets an account do: the API, the store, what its `Access` needs, and a search. */
export async function checkStore(list: Checklist, context: StoreContext): Promise<void> {
  const { account, member } = context
  const item = (title: string) => ({ layer: 'store' as const, subject: account.name, title })
  let held: readonly string[] | null = null
  const isUsable = await list.check(item('Cloud Healthcare API and scope'), async () => {
    const response = await askPermissions(context)
    held = heldOf(response)
    if (isAboutService(context, response)) throw refused(context, response)
    return 'accepts the token'
  })
  const exists = isUsable
    ? await list.check(item('DICOM store'), () => findStore(context, held))
    : await list.skip(item('DICOM store'), 'needs the API').then(() => false)
  if (!exists) {
    await list.skip(item('Permissions'), 'need the store')
    await list.skip(item('Deletion status'), 'need the store')
    return list.skip(item('Search'), 'needs the store')
  }
  await list.check(item('Permissions'), () => allHeld(account, member, held))
  await list.check(item('Deletion status'), () => deletionStatus(context))
  await list.check(item('Search'), () => search(context, held))
}

function resourceUrl({ account, settings }: StoreContext): string {
  return dicomStoreOf(account, settings.baseUrl).dicomWebUrl.replace(/\/dicomWeb\/$/, '')
}

async function askPermissions(context: StoreContext): Promise<GoogleResponse> {
  const permissions = [...new Set([...context.account.access.map((service) => needs[service].permission)])]
  const url = `${resourceUrl(context)}:testIamPermissions`
  return askGoogle({ ...context, url, accept: 'application/json', body: { permissions }, keep: true })
}

/** Of the permissions asked for, those that the identity holds; null if Google does not say. */
function heldOf({ content }: GoogleResponse): readonly string[] | null {
  if (content === null) return null
  const { permissions = [] } = content
  return Array.isArray(permissions) ? permissions.map(String) : null
}

async function findStore(context: StoreContext, held: readonly string[] | null): Promise<string> {
  const url = resourceUrl(context)
  const response = await askGoogle({ ...context, url, accept: 'application/json', keep: true })
  const { status, content } = response
  if (status === 200 && content !== null) return dicomStoreOf(context.account, '').resourceName
  if (status === 200) {
    throw new DiagnosedError({
      code: 'not-google',
      problem: 'What responds there is not the Cloud Healthcare API.',
      remedy: 'Correct BaseUrl: https://healthcare.googleapis.com/v1/',
    })
  }
  // Nobody has permissions on a missing store; few roles lack the one to request the store itself.
  const isAllowed = held !== null && held.length > 0
  if (status === 403 && isAllowed && !isAboutService(context, response))
    return 'exists (this identity has permissions on it)'
  throw refused(context, response)
}

function allHeld(account: AccountSettings, member: string, held: readonly string[] | null): string {
  if (held === null) throw new Skipped('Google does not list them (testIamPermissions)')
  const lacking = account.access.filter((service) => !held.includes(needs[service].permission))
  if (lacking.length === 0) return `all that ${account.access.join(', ')} need`
  const [first] = lacking
  const role = first === undefined ? '' : roleFor(lacking)
  const permissions = [...new Set(lacking.map((service) => needs[service].permission))]
  const rest = account.access.filter((service) => !lacking.includes(service))
  const limit = rest.length > 0 ? `, or limit the account: "Access": ${JSON.stringify(rest)}` : ''
  const problem = `The identity lacks ${permissions.join(' and ')}, for ${lacking.join(', ')}.`
  const remedy = `Grant the role: ${grantCommand(account, member, role)}${limit}`
  throw new DiagnosedError({ code: 'permission-missing', problem, remedy })
}

/** The role that gives all of them. */
function roleFor(services: readonly DicomWebService[]): string {
  const roles = new Set(services.map((service) => needs[service].role))
  return roles.has('roles/healthcare.dicomEditor') ? 'roles/healthcare.dicomEditor' : 'roles/healthcare.dicomViewer'
}

/**
 * Google deletes studies and series in operations of the dataset. An identity that may not read
 * those can delete all the same: that is no failure. The requested operation does not exist.
 */
async function deletionStatus(context: StoreContext): Promise<string> {
  const { account, settings, member } = context
  const { project, location, dataset } = account
  if (!account.access.includes('DELETE')) throw new Skipped('DELETE is not in Access')
  if (settings.deletionWait === 0) throw new Skipped('DeletionWait is 0')
  const name = `projects/${project}/locations/${location}/datasets/${dataset}/operations/0`
  const url = operationUrlsOf(account, settings.baseUrl)(name)
  if (!url) throw new Skipped('the names of project or dataset are not as Google has them')
  const { status } = await askGoogle({ ...context, url: url.href, accept: 'application/json', keep: true })
  if (status !== 403) return 'can be monitored'
  const grant = `gcloud healthcare datasets add-iam-policy-binding ${dataset} --project=${project} --location=${location} --member=${member} --role=roles/healthcare.datasetViewer`
  return `can NOT be monitored: a deleted study gets a 202 before it is deleted. To change that: ${grant}`
}

async function search(context: StoreContext, held: readonly string[] | null): Promise<string> {
  const { account, settings } = context
  const { permission } = needs['QIDO-RS']
  if (!account.access.includes('QIDO-RS')) throw new Skipped('QIDO-RS is not in Access')
  if (held !== null && !held.includes(permission)) throw new Skipped(`needs ${permission}`)
  const url = `${dicomStoreOf(account, settings.baseUrl).dicomWebUrl}studies?limit=1`
  const response = await askGoogle({ ...context, url, accept: 'application/dicom+json', keep: false })
  if (response.status === 200) return 'succeeds (QIDO-RS with limit=1)'
  if (response.status === 204) return 'succeeds (QIDO-RS with limit=1): the store is empty'
  const { problem, code } = diagnose(context, response)
  if (serviceCodes.has(code) || response.status === 403 || response.status === 404) throw refused(context, response)
  throw new DiagnosedError({
    code: 'search-refused',
    problem,
    remedy: 'Correct BaseUrl. If it is correct, report this.',
  })
}

/** Codes of refusals that are about identity, quota or the API, not about what was requested. */
const serviceCodes: ReadonlySet<string> = new Set([
  'token-rejected',
  'scope',
  'api-disabled',
  'quota-project',
  'billing',
  'project',
  'account-gone',
  'perimeter',
  'redirect',
  'quota',
  'not-implemented',
  'google-failed',
])

function isAboutService(context: StoreContext, response: GoogleResponse): boolean {
  return serviceCodes.has(diagnose(context, response).code)
}

function diagnose(
  { account: { project: owner, location, dataset, dicomStore }, member }: StoreContext,
  { status, reason, project, quotaProject, lacksScope, message }: GoogleResponse,
): Diagnosis {
  const account = { project: owner, location, dataset, dicomStore, quotaProject }
  return diagnoseGoogleRefusal({ status, requested: 'store', reason, project, lacksScope, message, account, member })
}

function refused(context: StoreContext, response: GoogleResponse): DiagnosedError {
  return new DiagnosedError(diagnose(context, response))
}
