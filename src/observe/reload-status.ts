/** What is read again while the proxy runs. */
export type ReloadSource = 'configuration' | 'ClientsFile' | 'Tls'

/** A reload that changed nothing, because what was read can't be used. */
export interface RejectedReload {
  readonly source: ReloadSource
  /** Epoch milliseconds. */
  readonly at: number
  /** A line each. No value of a text is among them. */
  readonly problems: readonly string[]
}

/** How the last reload of each source ended: what was rejected would not survive a restart. */
export class ReloadStatus {
  readonly #rejected = new Map<ReloadSource, RejectedReload>()
  /** Of the start, or of the last reload that succeeded; epoch milliseconds. */
  succeededAt = Date.now()

  /** The sources whose last reload was rejected. */
  get rejected(): readonly RejectedReload[] {
    return [...this.#rejected.values()]
  }

  succeed(...sources: readonly ReloadSource[]): void {
    for (const source of sources) this.#rejected.delete(source)
    this.succeededAt = Date.now()
  }

  reject(source: ReloadSource, problems: string): void {
    this.#rejected.set(source, { source, at: Date.now(), problems: problems.split('\n') })
  }
}
