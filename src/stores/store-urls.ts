import type { StoreOfAccount } from './dicom-store.ts'

/** What no URL has unencoded (RFC 3986), or what follows the path. */
const urlEnd = /[\s"'<>\\^`{|}?#&]/

/**
 * Google's names for its API: global, regional, and those of Private Service Connect
 * (https://cloud.google.com/vpc/docs/regional-service-endpoints,
 * https://cloud.google.com/vpc/docs/about-accessing-google-apis-endpoints).
 */
const googleHost = /^healthcare(?:\.[a-z0-9-]+\.rep|-[a-z0-9-]+\.p)?\.googleapis\.com(?::443)?$/
const googleVersion = /^v\d\w*$/

/** Room for another host, a longer project and the scheme. */
const slackBytes = 512

/**
 * Recognizes the URLs of one store in Google's responses. Google may use another of its hosts than
 * `BaseUrl` names, and the project's number in place of its id.
 */
export class StoreUrls {
  /** No root of the store is longer; what is longer belongs to something else. */
  readonly maxRootBytes: number
  readonly #store: StoreOfAccount
  /** `BaseUrl` without the slash at its end. */
  readonly #base: string
  readonly #baseHost: string
  readonly #maxParts: number

  constructor(store: StoreOfAccount, baseUrl: string) {
    this.#store = store
    this.#base = baseUrl.replace(/\/$/, '')
    this.#baseHost = new URL(baseUrl).host
    this.#maxParts = this.#base.split('/').length + 16
    const names = [store.project, store.location, store.dataset, store.dicomStore]
    this.maxRootBytes = names.reduce(
      (total, name) => total + encodeURIComponent(name).length,
      this.#base.length + slackBytes,
    )
  }

  /**
   * The length of the store's root that a text begins with, without a slash at its end; 0 if it
   * begins with something else; null if more of the text is needed to say so.
   *
   * @param text begins with a scheme; one character per byte
   * @param isWhole whether nothing follows the text
   */
  rootLength(text: string, isWhole: boolean): number | null {
    const end = text.search(urlEnd)
    const isEnded = end !== -1 || isWhole
    const parts = (end === -1 ? text : text.slice(0, end)).split('/', this.#maxParts)
    if (!this.#mayBegin(parts)) return 0
    const projects = parts.indexOf('projects', 3)
    const rootParts = projects + 9
    if (projects !== -1 && (parts.length > rootParts || (parts.length === rootParts && isEnded))) {
      const root = parts.slice(0, rootParts)
      return this.#isRoot(root, projects) ? root.join('/').length : 0
    }
    return isEnded || text.length >= this.maxRootBytes ? 0 : null
  }

  /** Whether what is there of scheme and host is right. */
  #mayBegin([scheme = '', empty = '', host, afterHost]: readonly string[]): boolean {
    if (empty !== '') return false
    if (host === undefined) return 'https:'.startsWith(scheme) || 'http:'.startsWith(scheme)
    if (scheme !== 'https:' && scheme !== 'http:') return false
    return afterHost === undefined || host === this.#baseHost || googleHost.test(host)
  }

  #isRoot(parts: readonly string[], projects: number): boolean {
    const { location, dataset, dicomStore } = this.#store
    const [, project = '', locations, ofLocation, datasets, ofDataset, dicomStores, ofStore, dicomWeb] =
      parts.slice(projects)
    return (
      locations === 'locations' &&
      datasets === 'datasets' &&
      dicomStores === 'dicomStores' &&
      dicomWeb === 'dicomWeb' &&
      isSame(ofLocation, location) &&
      isSame(ofDataset, dataset) &&
      isSame(ofStore, dicomStore) &&
      this.#isProject(project) &&
      this.#isApi(parts.slice(0, projects))
    )
  }

  /** The number of a project can't be told from its id; but another number is another project. */
  #isProject(project: string): boolean {
    const isNumber = /^\d+$/
    return isSame(project, this.#store.project) || (isNumber.test(project) && !isNumber.test(this.#store.project))
  }

  #isApi(parts: readonly string[]): boolean {
    if (parts.join('/') === this.#base) return true
    const [scheme, , host = '', version = ''] = parts
    return parts.length === 4 && scheme === 'https:' && googleHost.test(host) && googleVersion.test(version)
  }
}

/** Whether a path segment, one character per byte, stands for this name. */
function isSame(segment: string | undefined, name: string): boolean {
  if (segment === undefined || segment === name) return segment === name
  try {
    return decodeURIComponent(Buffer.from(segment, 'latin1').toString()) === name
  } catch {
    return false
  }
}
