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
