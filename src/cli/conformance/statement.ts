import type { SourceKey } from './sources.ts'
import type { TestStore } from './test-store.ts'

/**
 * How sure a statement about Google is. `documented`: Google's own pages say it. `recorded`: seen
 * in Google's responses, or in code and tests of Google's that meet them. `assumed`: neither.
 */
export type Certainty = 'documented' | 'recorded' | 'assumed'

/** Something about Google that the product relies on, and how to see whether it is so. */
export interface Statement {
  /** `group.name`: what comes before the first dot is the group. */
  readonly id: string
  /** What Google does: a sentence without its final stop. */
  readonly reliedOn: string
  readonly certainty: Certainty
  readonly sources: readonly SourceKey[]
  /**
   * Outcomes that agree with it. Several where nobody knows which, or where the product copes with
   * each.
   */
  readonly expected: readonly string[]
  /** What any other outcome means for the user: a sentence or two. */
  readonly difference: string
  /**
   * Checks it. The outcome is in our own words: nothing of a response but statuses, media types and
   * tags, so that a report can be given away.
   */
  readonly observe: (store: TestStore) => Promise<string>
}
