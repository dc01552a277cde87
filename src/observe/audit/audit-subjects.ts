/** What a request asked for, by its path. Names a patient's data: for the audit trail only, never for a log. */
export interface RequestedIds {
  readonly study?: string
  readonly series?: string
  readonly instance?: string
  /** As it came, without the question mark; empty where there is none. */
  readonly query: string
}

/** SOP Instance UIDs that are kept of one answer: a line of the trail has 700 KB at most. */
const maxUids = 10_000

/** Whom and what a request was about. */
export class AuditSubjects {
  requested: RequestedIds = { query: '' }
  /** The account's DICOMweb root at Google when the request came: a reload may give it another one. */
  store: string | undefined
  readonly #stored: string[] = []
  readonly #failed: string[] = []
  #omitted = 0

  /** Instances that an answer to an upload names as stored; SOP Instance UIDs. */
  get stored(): readonly string[] {
    return this.#stored
  }

  get failed(): readonly string[] {
    return this.#failed
  }

  /** How many more the answer named, or had without a name. */
  get omitted(): number {
    return this.#omitted
  }

  /** @param sopInstanceUid empty where the answer names none */
  instance(outcome: 'stored' | 'failed', sopInstanceUid: string): void {
    const isKept = sopInstanceUid !== '' && this.#stored.length + this.#failed.length < maxUids
    if (!isKept) this.#omitted += 1
    else if (outcome === 'stored') this.#stored.push(sopInstanceUid)
    else this.#failed.push(sopInstanceUid)
  }
}

/**
 * The identifiers in a path, by its template.
 *
 * @param route such as `/studies/{study}/series`
 * @param segments of the path, one for each word of the route, or more
 */
export function requestedIds(route: string, segments: readonly string[], query: string): RequestedIds {
  const asked: Record<string, string> = {}
  for (const [at, word] of route.slice(1).split('/').entries()) {
    const value = segments[at]
    if (value !== undefined && identifiers.has(word)) asked[word.slice(1, -1)] = value
  }
  return { ...asked, query }
}

const identifiers: ReadonlySet<string> = new Set(['{study}', '{series}', '{instance}'])
