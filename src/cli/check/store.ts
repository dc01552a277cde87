import type { AccountSettings, DicomWebService, Settings } from '../../config/settings.ts'
import type { AccessToken } from '../../credentials/access-token.ts'
import type { Connections } from '../../forward/connections.ts'
import { permissions as needs } from '../../server/advice.ts'
import { dicomStoreOf } from '../../stores/dicom-store.ts'
import { operationUrlsOf } from '../../stores/operation-url.ts'
import type { Checklist } from './checklist.ts'
import { askGoogle, type GoogleAnswer } from './google-answer.ts'
import { grantCommand, quoted, type Refused, serviceTrouble, storeTrouble } from './store-trouble.ts'
import { Skipped, Trouble } from './trouble.ts'

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
  const refused: Refused = { account, member }
  const item = (title: string) => ({ layer: 'store' as const, subject: account.name, title })
  let held: readonly string[] | null = null
  const answers = await list.check(item('Cloud Healthcare API and scope'), async () => {
    const answer = await askPermissions(context)
    held = heldOf(answer)
    const trouble = serviceTrouble(answer, refused)
    if (trouble) throw trouble
    return 'takes the token'
  })
  const exists = answers
    ? await list.check(item('The store exists'), () => lookForStore(context, refused, held))
    : await list.skip(item('The store exists'), 'needs the API').then(() => false)
  if (!exists) {
    await list.skip(item('Permissions'), 'need the store')
    await list.skip(item('Ends of deletions'), 'need the store')
    return list.skip(item('Search'), 'needs the store')
  }
  await list.check(item('Permissions'), () => allHeld(account, member, held))
  await list.check(item('Ends of deletions'), () => endsOfDeletions(context))
  await list.check(item('Search'), () => search(context, refused, held))
}

function resourceUrl({ account, settings }: StoreContext): string {
  return dicomStoreOf(account, settings.baseUrl).dicomWebUrl.replace(/\/dicomWeb\/$/, '')
}

async function askPermissions(context: StoreContext): Promise<GoogleAnswer> {
  const permissions = [...new Set([...context.account.access.map((service) => needs[service].permission)])]
  const url = `${resourceUrl(context)}:testIamPermissions`
  return askGoogle({ ...context, url, accept: 'application/json', body: { permissions }, keep: true })
}

/** Of the permissions asked for, those that the identity holds; null if Google does not say. */
function heldOf({ content }: GoogleAnswer): readonly string[] | null {
  if (content === null) return null
  const { permissions = [] } = content
  return Array.isArray(permissions) ? permissions.map(String) : null
}

async function lookForStore(context: StoreContext, refused: Refused, held: readonly string[] | null): Promise<string> {
  const answer = await askGoogle({ ...context, url: resourceUrl(context), accept: 'application/json', keep: true })
  const trouble = serviceTrouble(answer, refused)
  if (trouble) throw trouble
  if (answer.status === 200 && answer.content !== null) return String(dicomStoreOf(context.account, '').resourceName)
  if (answer.status === 200) {
    throw new Trouble(
      'not-google',
      'What answers there is not the Cloud Healthcare API.',
      'Correct BaseUrl: https://healthcare.googleapis.com/v1/',
    )
  }
  // Of a store that does not exist nobody holds a permission; to ask for the store itself needs one that few roles lack.
  if (answer.status === 403 && held !== null && held.length > 0) return 'it must, for there are permissions on it'
  throw storeTrouble(answer, refused)
}

function allHeld(account: AccountSettings, member: string, held: readonly string[] | null): string {
  if (held === null) throw new Skipped('Google does not say which there are (testIamPermissions)')
  const lacking = account.access.filter((service) => !held.includes(needs[service].permission))
  if (lacking.length === 0) return `all that ${account.access.join(', ')} need`
  const [first] = lacking
  const role = first === undefined ? '' : roleFor(lacking)
  const permissions = [...new Set(lacking.map((service) => needs[service].permission))]
  const rest = account.access.filter((service) => !lacking.includes(service))
  const limit = rest.length > 0 ? `, or limit the account: "Access": ${JSON.stringify(rest)}` : ''
  const why = `The identity lacks ${permissions.join(' and ')}, for ${lacking.join(', ')}.`
  throw new Trouble('permission-missing', why, `${grantCommand(account, member, role)}${limit}`)
}

/** The role that gives all of them. */
function roleFor(services: readonly DicomWebService[]): string {
  const roles = new Set(services.map((service) => needs[service].role))
  return roles.has('roles/healthcare.dicomEditor') ? 'roles/healthcare.dicomEditor' : 'roles/healthcare.dicomViewer'
}

/**
 * Google deletes studies and series in operations of the dataset. Who may not look at those can delete all the same: that is
 * no failure. The operation that is asked for is none.
 */
async function endsOfDeletions(context: StoreContext): Promise<string> {
  const { account, settings, member } = context
  const { project, location, dataset } = account
  if (!account.access.includes('DELETE')) throw new Skipped('DELETE is not in Access')
  if (settings.deletionWait === 0) throw new Skipped('DeletionWait is 0')
  const name = `projects/${project}/locations/${location}/datasets/${dataset}/operations/0`
  const url = operationUrlsOf(account, settings.baseUrl)(name)
  if (!url) throw new Skipped('the names of project or dataset are none of Google')
  const { status } = await askGoogle({ ...context, url: url.href, accept: 'application/json', keep: true })
  if (status !== 403) return 'the proxy waits for them'
  const grant = `gcloud healthcare datasets add-iam-policy-binding ${dataset} --project=${project} --location=${location} --member=${member} --role=roles/healthcare.datasetViewer`
  return `NOT seen: deletions of studies are answered 202 before they are done. To mend it: ${grant}`
}

async function search(context: StoreContext, refused: Refused, held: readonly string[] | null): Promise<string> {
  const { account, settings } = context
  const { permission } = needs['QIDO-RS']
  if (!account.access.includes('QIDO-RS')) throw new Skipped('QIDO-RS is not in Access')
  if (held !== null && !held.includes(permission)) throw new Skipped(`needs ${permission}`)
  const url = `${dicomStoreOf(account, settings.baseUrl).dicomWebUrl}studies?limit=1`
  const answer = await askGoogle({ ...context, url, accept: 'application/dicom+json', keep: false })
  if (answer.status === 200) return 'QIDO-RS with limit=1 is answered'
  if (answer.status === 204) return 'QIDO-RS with limit=1 is answered: the store is empty'
  const trouble = serviceTrouble(answer, refused)
  if (trouble) throw trouble
  if (answer.status === 403 || answer.status === 404) throw storeTrouble(answer, refused)
  throw new Trouble(
    'search-refused',
    `Google refuses a plain search (${answer.status})${quoted(answer)}.`,
    'Correct BaseUrl; please report it if that is right.',
  )
}
