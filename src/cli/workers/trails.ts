import { isDeepStrictEqual } from 'node:util'
import type { Settings } from '../../config/settings.ts'
import type { AuditRecord } from '../../observe/audit/audit-record.ts'
import type { AuditTrail } from '../../observe/audit/audit-trail.ts'
import type { Logger } from '../../observe/logger.ts'
import { openAudit } from '../audit.ts'
import type { TrailState } from './messages.ts'

interface Trail {
  readonly id: number
  readonly settings: Settings['audit']
  readonly trail: AuditTrail
  /** Workers that may still have records for it. */
  readonly users: Set<number>
  /** What the workers were told last. */
  available: boolean
}

/** How often (ms) it is looked whether a trail takes records again, or no longer. */
const look = 200

/** The audit trails that workers' records go to: that of the configuration in force, and older ones as long as somebody needs them. */
export class Trails {
  readonly #logger: Logger
  readonly #tell: (trail: TrailState) => void
  readonly #open = new Map<number, Trail>()
  readonly #looking: NodeJS.Timeout
  #current: Trail | null = null
  #last = 0

  /**
   * Throws a CommandFailure if the trail can't be opened.
   *
   * @param tell called when one takes records again, or no longer
   */
  constructor(settings: Settings, logger: Logger, tell: (trail: TrailState) => void) {
    this.#logger = logger
    this.#tell = tell
    this.replace(settings)
    this.#looking = setInterval(() => this.#look(), look).unref()
  }

  /** That of the configuration in force; null where none is kept. */
  get current(): AuditTrail | null {
    return this.#current?.trail ?? null
  }

  /** Another configuration. Throws a CommandFailure if its trail can't be opened, and then nothing has changed. */
  replace({ audit }: Settings): void {
    const before = this.#current
    if (!isDeepStrictEqual(before?.settings ?? null, audit)) {
      const trail = openAudit(audit, this.#logger)
      this.#current = trail && this.#add(audit, trail)
      if (before) this.#closeUnused(before)
    }
  }

  /** Where a worker is to send its records from now on. */
  stateFor(worker: number): TrailState | null {
    this.#current?.users.add(worker)
    return this.#current && stateOf(this.#current)
  }

  /** Writes a worker's record. Returns what the worker is to know of the trail. */
  record(id: number, record: AuditRecord, isMinor: boolean): TrailState {
    const trail = this.#open.get(id)
    trail?.trail.relayed(record, isMinor)
    return trail ? stateOf(trail) : { id, available: false }
  }

  /** A worker has no more records for a trail. */
  leave(worker: number, id: number): void {
    const trail = this.#open.get(id)
    trail?.users.delete(worker)
    if (trail) this.#closeUnused(trail)
  }

  /** A worker has ended. */
  leaveAll(worker: number): void {
    for (const id of [...this.#open.keys()]) this.leave(worker, id)
  }

  async close(): Promise<void> {
    clearInterval(this.#looking)
    await Promise.all([...this.#open.values()].map(({ trail }) => trail.close()))
  }

  #add(settings: Settings['audit'], trail: AuditTrail): Trail {
    this.#last += 1
    const { available } = trail
    const added = { id: this.#last, settings, trail, users: new Set<number>(), available }
    this.#open.set(added.id, added)
    return added
  }

  #closeUnused(trail: Trail): void {
    if (trail === this.#current || trail.users.size > 0) return
    this.#open.delete(trail.id)
    void trail.trail.close()
  }

  #look(): void {
    for (const trail of this.#open.values()) {
      if (trail.available === trail.trail.available) continue
      trail.available = trail.trail.available
      this.#tell(stateOf(trail))
    }
  }
}

function stateOf({ id, trail }: Trail): TrailState {
  return { id, available: trail.available }
}
