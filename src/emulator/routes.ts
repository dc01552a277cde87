import type { Behavior } from './behavior.ts'
import type { Call } from './call.ts'
import type { Clock } from './clock.ts'
import { healthcare, refusalFor } from './error-info.ts'
import type { FaultSubject, TokenGrant } from './faults.ts'
import { GoogleError } from './google-error.ts'
import type { AccessTokens } from './oauth/access-tokens.ts'
import { authenticate, authorize } from './oauth/bearer.ts'
import { handleGenerateAccessToken } from './oauth/iam-credentials.ts'
import type { AuthorizedUser, Identities, WorkforceUser, WorkloadIdentity } from './oauth/identities.ts'
import type { MetadataServer } from './oauth/metadata-server.ts'
import { handleSubjectToken, handleTokenExchange, handleWorkforceRefresh } from './oauth/sts.ts'
import { handleTokenRequest } from './oauth/token-endpoint.ts'
import type { EmulatorResponse } from './response.ts'
import type { DicomStore } from './store/dicom-store.ts'
import { handleDicomWeb, parseResource, serviceOf } from './store/dicom-web.ts'
import type { Operations } from './store/operations.ts'
import { handleStore, handleTestIamPermissions } from './store/store-resource.ts'

/** All of Google that is emulated. */
export interface World {
  readonly url: string
  readonly identities: Identities
  readonly tokens: AccessTokens
  readonly user: AuthorizedUser
  readonly workload: WorkloadIdentity
  readonly workforce: WorkforceUser
  readonly metadata: MetadataServer
  readonly stores: ReadonlyMap<string, DicomStore>
  readonly operations: Operations
  readonly clock: Clock
  readonly behavior: Behavior
}

/**
 * What handles a request, and what the request counts as for faults. Nothing runs, and no body is
 * read, before `work`.
 */
export interface Route {
  readonly subject?: FaultSubject
  readonly work: () => Promise<EmulatorResponse>
}

const tokenGrants: Readonly<Record<string, TokenGrant>> = {
  'urn:ietf:params:oauth:grant-type:jwt-bearer': 'jwt-bearer',
  refresh_token: 'refresh_token',
}

export function route(world: World, call: Call): Route | Promise<Route> {
  const [first, second] = call.segments
  if (call.path === '/token' && call.method === 'POST') return oauthRoute(world, call)
  if (call.path === '/v1/token' && call.method === 'POST') {
    return tokenRoute('token-exchange', () => handleTokenExchange(world.tokens, world.workload, call))
  }
  if (call.path === '/v1/oauthtoken' && call.method === 'POST') {
    return tokenRoute('refresh_token', () => handleWorkforceRefresh(world.tokens, world.workforce, call))
  }
  if (call.path === '/subject-token') return { work: async () => handleSubjectToken(world.workload) }
  if (call.path === '/' || first === 'computeMetadata') return metadataRoute(world, call)
  if ((first !== 'v1' && first !== 'v1beta1') || second !== 'projects') return notFound
  const email = /^\/v1\/projects\/-\/serviceAccounts\/([^/]+):generateAccessToken$/.exec(call.path)?.[1]
  if (email && call.method === 'POST') {
    return tokenRoute('impersonation', () => handleGenerateAccessToken(world.identities, world.tokens, call, email))
  }
  return healthcareRoute(world, call, call.segments.slice(1))
}

/** The two grants share an endpoint, so the small form is read here to tell them apart. */
async function oauthRoute(world: World, call: Call): Promise<Route> {
  const form = await call.form()
  const work = async () => handleTokenRequest({ ...world, tokenUrl: `${world.url}/token` }, form)
  const grant = tokenGrants[form.get('grant_type') ?? '']
  return grant ? tokenRoute(grant, work) : { subject: { target: 'token' }, work }
}

function metadataRoute({ metadata }: World, call: Call): Route {
  const work = async () => metadata.handle(call)
  return call.path.endsWith('/token') ? tokenRoute('metadata', work) : { work }
}

function tokenRoute(grant: TokenGrant, work: () => Promise<EmulatorResponse>): Route {
  return { subject: { target: 'token', grant }, work }
}

/**
 * `projects/P/locations/L/datasets/D/dicomStores/S`, its `/dicomWeb/…` and `:testIamPermissions`,
 * and `…/D/operations/ID`.
 */
function healthcareRoute(world: World, call: Call, path: readonly string[]): Route {
  const [, , locations, , datasets, , collection, id, dicomWeb] = path
  if (locations !== 'locations' || datasets !== 'datasets') return notFound
  if (collection === 'operations' && id && path.length === 8 && call.method === 'GET')
    return operationRoute(world, call, path)
  if (collection !== 'dicomStores') return notFound
  if (path.length === 8) return storeRoute(world, call, path.join('/'))
  return dicomWeb === 'dicomWeb' ? dicomWebRoute(world, call, path) : notFound
}

const testIamPermissions = ':testIamPermissions'

function storeRoute(world: World, call: Call, path: string): Route {
  const { tokens, identities, stores } = world
  const asksPermissions = path.endsWith(testIamPermissions)
  const name = asksPermissions ? path.slice(0, -testIamPermissions.length) : path
  if (call.method !== (asksPermissions ? 'POST' : 'GET')) return notFound
  const work = async () => {
    const identity = authenticate(tokens, call.headers.authorization)
    checkQuotaProject(world, call)
    const resource = { stores: new Set(stores.keys()), name, identities, identity }
    if (!asksPermissions) return handleStore(resource)
    return handleTestIamPermissions(resource, (await call.json()).permissions)
  }
  return { subject: { target: asksPermissions ? 'permissions' : 'store', store: name }, work }
}

function operationRoute({ tokens, identities, operations }: World, call: Call, path: readonly string[]): Route {
  const name = path.join('/')
  return {
    subject: { target: 'operation' },
    work: async () => {
      authorize(tokens, identities, call.headers.authorization, { name, exists: true, write: false })
      return operations.handle(name)
    },
  }
}

function dicomWebRoute(world: World, call: Call, path: readonly string[]): Route {
  const name = path.slice(0, 8).join('/')
  const resource = parseResource(path.slice(9))
  const service = resource && serviceOf(call.method, resource)
  if (!resource || !service) return notFound
  const webRoot = `${call.origin}/${call.segments[0]}/${name}/dicomWeb`
  const write = service === 'STOW-RS' || service === 'DELETE'
  const work = async () => {
    const store = world.stores.get(name)
    const { tokens, identities, operations, behavior } = world
    authorize(tokens, identities, call.headers.authorization, { name, exists: store !== undefined, write })
    checkQuotaProject(world, call)
    if (!store) throw new Error('A store that does not exist was authorized.')
    await store.open()
    return handleDicomWeb({ store, operations, webRoot, behavior }, call, service, resource)
  }
  return { subject: { target: service, store: name }, work }
}

/** The project to bill must exist, here: hold a store (Google's "Set the quota project"). */
function checkQuotaProject({ stores }: World, { headers }: Call): void {
  const quotaProject = headers['x-goog-user-project']
  if (typeof quotaProject !== 'string') return
  if ([...stores.keys()].some((name) => name.startsWith(`projects/${quotaProject}/`))) return
  const { message, info } = refusalFor('USER_PROJECT_DENIED', healthcare, quotaProject)
  throw new GoogleError(403, message, { info })
}

const notFound: Route = {
  work: async () => {
    throw new GoogleError(404, 'The requested URL was not found on this server.')
  },
}
