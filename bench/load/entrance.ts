/** Where the load goes in. */
export interface Entrance {
  /** What takes the place of the store's DICOMweb root; ends with a slash. */
  readonly url: string
  /** What the load has to bring along: the token, where nobody else adds it. */
  readonly headers: Readonly<Record<string, string>>
  /** PEM of the authority that the load has to trust, where `url` is https. */
  readonly authority?: string
}
