import type { AccountSettings } from '../config/settings.ts'

/** Where an account's DICOM store is: at Google, and on the data listener. */
export interface DicomStore {
  /** `projects/P/locations/L/datasets/D/dicomStores/S`, as Google writes it. */
  readonly resourceName: string
  /** Root of the store's DICOMweb service; ends with `/dicomWeb/`. */
  readonly dicomWebUrl: string
  /**
   * First part of the path on the data listener, such as `/my%20google/`; begins and ends with a
   * slash.
   */
  readonly localPath: string
}

export type StoreOfAccount = Pick<AccountSettings, 'name' | 'project' | 'location' | 'dataset' | 'dicomStore'>

/**
 * The store of an account below the root of the Cloud Healthcare API.
 *
 * Names are checked when the configuration is read; each is one path segment here all the same.
 */
export function dicomStoreOf(account: StoreOfAccount, baseUrl: string): DicomStore {
  const { name, project, location, dataset, dicomStore } = account
  const parts = ['projects', project, 'locations', location, 'datasets', dataset, 'dicomStores', dicomStore]
  return {
    resourceName: parts.join('/'),
    dicomWebUrl: `${urlOf(parts, baseUrl)}/dicomWeb/`,
    localPath: `/${encodeURIComponent(name)}/`,
  }
}

/** The URL of a resource, by the parts of its name. */
export function urlOf(parts: readonly string[], baseUrl: string): string {
  return `${baseUrl}${baseUrl.endsWith('/') ? '' : '/'}${parts.map(segment).join('/')}`
}

/**
 * A colon is allowed in a path segment (RFC 3986 3.3), and Google's own URLs hold it as it is:
 * `projects/example.com:p`.
 */
function segment(text: string): string {
  return encodeURIComponent(text).replaceAll('%3A', ':')
}

/** The URL of the operation of this name; null if the name isn't one of the account's dataset. */
export type OperationUrl = (name: unknown) => URL | null

const pattern =
  /^projects\/((?:[a-z0-9][a-z0-9.-]*:)?[a-z0-9-]+)\/locations\/([^/]+)\/datasets\/([^/]+)\/operations\/([\w-]{1,128})$/

/**
 * The URLs of the long-running operations of an account's dataset. The name comes from a response,
 * and an access token goes to the URL made of it: so the name must be well-formed, and lead nowhere
 * else. Google may write the project as its id or its number, whichever the configuration has.
 */
export function operationUrlsOf({ location, dataset }: StoreOfAccount, baseUrl: string): OperationUrl {
  return (name) => {
    const [, project, ofLocation, ofDataset, id] = (typeof name === 'string' && pattern.exec(name)) || []
    if (project === undefined || id === undefined || ofLocation !== location || ofDataset !== dataset) return null
    const parts = ['projects', project, 'locations', location, 'datasets', dataset, 'operations', id]
    return new URL(urlOf(parts, baseUrl))
  }
}
