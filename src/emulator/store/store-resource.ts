import { permissionDenied } from '../error-info.ts'
import { GoogleError } from '../google-error.ts'
import { type Identities, permissionsOf } from '../oauth/identities.ts'
import { type EmulatorResponse, jsonResponse } from '../response.ts'

/** A DICOM store's own resource, beside its DICOMweb service. */
export interface StoreResource {
  /** Names of all stores that there are. */
  readonly stores: ReadonlySet<string>
  readonly name: string
  readonly identities: Identities
  /** Who asks. */
  readonly identity: string
}

/**
 * `GET projects/…/dicomStores/S`. Google says whether a store exists to those only who may see its
 * dataset.
 */
export function handleStore({ stores, name, identities, identity }: StoreResource): EmulatorResponse {
  const mayGet = permissionsOf[identities.role(identity, name)].includes('healthcare.dicomStores.get')
  const dataset = name.slice(0, name.indexOf('/dicomStores/'))
  if (mayGet && stores.has(name)) return jsonResponse({ name })
  if (mayGet && [...stores].some((other) => other.startsWith(`${dataset}/`))) {
    throw new GoogleError(404, `DICOM store ${name} not found.`)
  }
  const { message, info } = permissionDenied.on(name, 'healthcare.dicomStores.get')
  throw new GoogleError(403, message, { info })
}

/**
 * `POST projects/…/dicomStores/S:testIamPermissions`: of a store that does not exist, nobody holds
 * any.
 */
export function handleTestIamPermissions(resource: StoreResource, asked: unknown): EmulatorResponse {
  if (!Array.isArray(asked)) throw new GoogleError(400, 'Send {"permissions": [...]}.')
  const { stores, name, identities, identity } = resource
  const held = stores.has(name) ? permissionsOf[identities.role(identity, name)] : []
  const permissions = asked.filter((permission) => held.includes(permission))
  return jsonResponse(permissions.length === 0 ? {} : { permissions })
}
