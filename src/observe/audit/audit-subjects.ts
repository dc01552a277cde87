/** The identifiers in a request's path. Patient data: for the audit trail only, never for a log. */
export interface RequestedIds {
  readonly study?: string
  readonly series?: string
  readonly instance?: string
  /** As received, without the question mark; empty if there is none. */
  readonly query: string
}

/** SOP Instance UIDs recorded per response: an audit line has 700 KB at most. */
const maxUids = 10_000

/** The DICOM objects that a request concerns. */
export class AuditSubjects {
  requested: RequestedIds = { query: '' }
  /** The account's DICOMweb root at Google when the request arrived. A reload may change it. */
  store: string | undefined
  readonly #stored: string[] = []
  readonly #failed: string[] = []
  readonly #already: string[] = []
  #omitted = 0

  /** SOP Instance UIDs that the response to an upload lists as stored. */
  get stored(): readonly string[] {
    return this.#stored
  }

  get failed(): readonly string[] {
    return this.#failed
  }

  /** Of those that are stored: Google had them already, just the same. */
  get already(): readonly string[] {
    return this.#already
  }

  /** Instances of the response above the limit, or without a UID. */
  get omitted(): number {
    return this.#omitted
  }

  identical(sopInstanceUids: readonly string[]): void {
    this.#already.push(...sopInstanceUids.slice(0, maxUids - this.#already.length))
  }

  /** @param sopInstanceUid empty if the response names none */
  instance(outcome: 'stored' | 'failed', sopInstanceUid: string): void {
    const isKept = sopInstanceUid !== '' && this.#stored.length + this.#failed.length < maxUids
    if (!isKept) this.#omitted += 1
    else if (outcome === 'stored') this.#stored.push(sopInstanceUid)
    else this.#failed.push(sopInstanceUid)
  }
}

/**
 * The identifiers in a path, found by its route template.
 *
 * @param route such as `/studies/{study}/series`
 * @param segments of the path: at least one per segment of the route
 */
export function requestedIds(route: string, segments: readonly string[], query: string): RequestedIds {
  const requested: Record<string, string> = {}
  for (const [at, word] of route.slice(1).split('/').entries()) {
    const value = segments[at]
    if (value !== undefined && identifiers.has(word)) requested[word.slice(1, -1)] = value
  }
  return { ...requested, query }
}

const identifiers: ReadonlySet<string> = new Set(['{study}', '{series}', '{instance}'])
