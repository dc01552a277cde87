import { randomInt } from 'node:crypto'
import { type Answer, jsonAnswer } from '../answer.ts'
import { GoogleError } from '../google-error.ts'
import type { DicomStore, Scope } from './dicom-store.ts'

interface Operation {
  readonly name: string
  readonly createTime: string
  endTime?: string
  deleted?: number
}

/** Long-running operations (google.longrunning.Operation): deleting a study or a series is one. */
export class Operations {
  /** Milliseconds that each takes; Infinity: until `finish` is called. */
  duration = 100
  readonly #operations = new Map<string, Operation>()
  readonly #running = new Map<() => Promise<void>, NodeJS.Timeout | undefined>()

  /** Starts to delete; the scope takes no instances until the operation is done. */
  startDelete(store: DicomStore, scope: Scope): Answer {
    const lock = store.lock(scope)
    if (!lock) throw new GoogleError(409, 'The study is being deleted by another operation.')
    const dataset = store.name.split('/').slice(0, 6).join('/')
    const operation: Operation = { name: `${dataset}/operations/${randomInt(2 ** 47)}`, createTime: now() }
    this.#operations.set(operation.name, operation)
    this.#run(async () => {
      operation.deleted = await store.delete(scope).finally(() => lock.release())
      operation.endTime = now()
    })
    return jsonAnswer({ name: operation.name })
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

  answer(name: string): Answer {
    const operation = this.#operations.get(name)
    if (!operation) throw new GoogleError(404, `Operation not found: ${name}`)
    const { createTime, endTime, deleted } = operation
    const metadata = { '@type': 'type.googleapis.com/google.cloud.healthcare.v1.OperationMetadata', createTime }
    if (endTime === undefined) return jsonAnswer({ name, metadata })
    const counter = { success: String(deleted) }
    const response = { '@type': 'type.googleapis.com/google.protobuf.Empty' }
    return jsonAnswer({ name, metadata: { ...metadata, endTime, counter }, done: true, response })
  }

  close(): void {
    for (const timer of this.#running.values()) clearTimeout(timer)
  }
}

function now(): string {
  return new Date().toISOString()
}
