import { randomInt } from 'node:crypto'
import { GoogleError } from '../google-error.ts'
import { type EmulatorResponse, jsonResponse } from '../response.ts'
import type { DicomStore, Scope } from './dicom-store.ts'

/**
 * How an operation fails: as a whole, with a google.rpc.Status, or for some of the instances.
 * Neither: it succeeds.
 */
export interface OperationFailure {
  readonly error?: { readonly code: number; readonly message: string }
  readonly failures?: number
}

interface Operation extends OperationFailure {
  readonly name: string
  readonly createTime: string
  endTime?: string
  deleted?: number
}

/** Long-running operations (google.longrunning.Operation): deleting a study or a series is one. */
export class Operations {
  /** Milliseconds that each takes; Infinity: until `finish` is called. */
  duration = 100
  /** How those that begin from now on end. */
  failWith: OperationFailure = {}
  readonly #operations = new Map<string, Operation>()
  readonly #running = new Map<() => Promise<void>, NodeJS.Timeout | undefined>()

  /** Starts to delete; the scope takes no instances until the operation is done. */
  startDelete(store: DicomStore, scope: Scope): EmulatorResponse {
    const lock = store.lock(scope)
    if (!lock) throw new GoogleError(409, 'The study is being deleted by another operation.')
    const dataset = store.name.split('/').slice(0, 6).join('/')
    const name = `${dataset}/operations/${randomInt(2 ** 47)}`
    const operation: Operation = { name, createTime: now(), ...this.failWith }
    this.#operations.set(name, operation)
    this.#run(async () => {
      const deleting = operation.error ? Promise.resolve(0) : store.delete(scope, { spared: operation.failures ?? 0 })
      operation.deleted = await deleting.finally(() => lock.release())
      operation.endTime = now()
    })
    return jsonResponse({ name })
  }

  #run(work: () => Promise<void>): void {
    const end = () => {
      clearTimeout(this.#running.get(end))
      this.#running.delete(end)
      return work()
    }
    this.#running.set(end, this.duration === Number.POSITIVE_INFINITY ? undefined : setTimeout(end, this.duration))
  }

  /** Brings everything that runs to its end now. */
  async finish(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((end) => end()))
  }

  handle(name: string): EmulatorResponse {
    const operation = this.#operations.get(name)
    if (!operation) throw new GoogleError(404, `Operation not found: ${name}`)
    const { createTime, endTime, deleted, error, failures } = operation
    const metadata = { '@type': 'type.googleapis.com/google.cloud.healthcare.v1.OperationMetadata', createTime }
    if (endTime === undefined) return jsonResponse({ name, metadata })
    if (error) return jsonResponse({ name, metadata: { ...metadata, endTime }, done: true, error })
    const counter = { success: String(deleted), ...(failures && { failure: String(failures) }) }
    const response = { '@type': 'type.googleapis.com/google.protobuf.Empty' }
    return jsonResponse({ name, metadata: { ...metadata, endTime, counter }, done: true, response })
  }

  close(): void {
    for (const timer of this.#running.values()) clearTimeout(timer)
  }
}

function now(): string {
  return new Date().toISOString()
}
