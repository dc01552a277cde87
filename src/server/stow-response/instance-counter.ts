import type { InstanceCounts } from '../../observe/request-event.ts'

/** The outcome of one instance of an upload, by the response. */
export interface ReportedInstance {
  readonly outcome: 'stored' | 'failed'
  /**
   * Empty if the response names none, because it was no instance at all. This is a patient's data:
   * never for the log.
   */
  readonly sopInstanceUid: string
  /** Stored, but not as it was sent: there is a Warning Reason (0008,1196). */
  readonly warned: boolean
}

/**
 * The sequences of the Store Instances Response Module (PS3.18 I.2), and what an item of each says.
 */
const sequences: Readonly<Record<string, ReportedInstance['outcome']>> = {
  // Failed SOP Sequence, Referenced SOP Sequence, Other Failures Sequence
  '00081198': 'failed',
  '00081199': 'stored',
  '0008119A': 'failed',
}
const referencedSopInstanceUid = '00081155'
const warningReason = '00081196'

/** A UID has 64 characters at most (PS3.5 9.1); longer values are ignored. */
const maxUidLength = 64

/** Counts and reports the instances of a store response, as a parser reads them one by one. */
export class InstanceCounter {
  readonly #onInstance: (instance: ReportedInstance) => void
  readonly #counts = { stored: 0, failed: 0, warned: 0 }
  #isResponse = false
  #outcome: ReportedInstance['outcome'] = 'failed'
  #sopInstanceUid = ''
  #warned = false
  /** Items that have ended. */
  items = 0

  constructor(onInstance: (instance: ReportedInstance) => void) {
    this.#onInstance = onInstance
  }

  /** Null unless it was a store response at all. */
  get counts(): InstanceCounts | null {
    return this.#isResponse ? { ...this.#counts } : null
  }

  /** Reports an attribute of the response itself, which must have at least one of the sequences. */
  attribute(tag: string): void {
    if (Object.hasOwn(sequences, tag)) this.#isResponse = true
  }

  beginItem(sequence: string): void {
    const outcome = Object.hasOwn(sequences, sequence) ? sequences[sequence] : undefined
    this.#outcome = outcome ?? 'failed'
    this.#sopInstanceUid = ''
    this.#warned = false
  }

  /** Reports a value of an attribute of the item, not of one nested in it. */
  value(tag: string, text: string): void {
    if (tag === referencedSopInstanceUid && text.length <= maxUidLength) this.#sopInstanceUid ||= text
    if (tag === warningReason && text !== '') this.#warned = true
  }

  endItem(sequence: string): void {
    this.items += 1
    if (!Object.hasOwn(sequences, sequence)) return
    const instance = {
      outcome: this.#outcome,
      sopInstanceUid: this.#sopInstanceUid,
      warned: this.#outcome === 'stored' && this.#warned,
    }
    this.#counts[instance.outcome] += 1
    if (instance.warned) this.#counts.warned += 1
    this.#onInstance(instance)
  }
}
