import type { AccountSettings } from '../config/settings.ts'

/** Where an account's DICOM store is: at Google, and on the data listener. */
export interface DicomStore {
  /** `projects/P/locations/L/datasets/D/dicomStores/S`, as Google writes it. */
  readonly resourceName: string
  /** Root of the store's DICOMweb service; ends with `/dicomWeb/`. */
  readonly dicomWebUrl: string
  /** First part of the path on the data listener, such as `/my%20google/`; begins and ends with a slash. */
  readonly localPath: string
}

type StoreOfAccount = Pick<AccountSettings, 'name' | 'project' | 'location' | 'dataset' | 'dicomStore'>

/**
 * The store of an account below the root of the Cloud Healthcare API.
 *
 * Names are checked when the configuration is read; each is one path segment here all the same.
 */
export function dicomStoreOf(account: StoreOfAccount, baseUrl: string): DicomStore {
  const { name, project, location, dataset, dicomStore } = account
  const parts = ['projects', project, 'locations', location, 'datasets', dataset, 'dicomStores', dicomStore]
  const root = baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`
  return {
    resourceName: parts.join('/'),
    dicomWebUrl: `${root}${parts.map(segment).join('/')}/dicomWeb/`,
    localPath: `/${encodeURIComponent(name)}/`,
  }
}

/** A colon is allowed in a path segment (RFC 3986 3.3), and Google's own URLs hold it as it is: `projects/example.com:p`. */
function segment(text: string): string {
  return encodeURIComponent(text).replaceAll('%3A', ':')
}
