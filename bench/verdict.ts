/** What a target says about a measured figure. */
export interface Verdict {
  /** Its key in `reasons.ts`. */
  readonly name: string
  readonly what: string
  readonly figure: string
  readonly target: string
  readonly met: boolean
}
