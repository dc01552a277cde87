import { type StoreOfAccount, urlOf } from './dicom-store.ts'

/**
 * Where an operation of this name can be asked after; null for what does not name one of the
 * account's dataset.
 */
export type OperationUrl = (name: unknown) => URL | null

const pattern =
  /^projects\/((?:[a-z0-9][a-z0-9.-]*:)?[a-z0-9-]+)\/locations\/([^/]+)\/datasets\/([^/]+)\/operations\/([\w-]{1,128})$/

/**
 * The URLs of the long-running operations of an account's dataset. A name comes from a response, and
 * an access token is sent to what it is made to: so it must be well-formed, and lead nowhere else.
 * Google may write the project as its id or its number, whichever the configuration has.
 */
export function operationUrlsOf({ location, dataset }: StoreOfAccount, baseUrl: string): OperationUrl {
  return (name) => {
    const [, project, ofLocation, ofDataset, id] = (typeof name === 'string' && pattern.exec(name)) || []
    if (project === undefined || id === undefined || ofLocation !== location || ofDataset !== dataset) return null
    const parts = ['projects', project, 'locations', location, 'datasets', dataset, 'operations', id]
    return new URL(urlOf(parts, baseUrl))
  }
}
