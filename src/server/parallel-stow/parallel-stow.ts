import type { ParallelStowSettings } from '../../config/settings.ts'
import { BatchMemory } from './batch-memory.ts'
import { BatchSize } from './batch-size.ts'
import { RateCeiling } from './rate-ceiling.ts'

/** What the uploads of one account share. */
export class ParallelStow {
  settings: ParallelStowSettings
  readonly memory: BatchMemory
  readonly size: BatchSize
  readonly ceiling: RateCeiling

  constructor(settings: ParallelStowSettings) {
    this.settings = settings
    this.memory = new BatchMemory(settings.memoryBytes)
    this.size = new BatchSize(maxBatchBytes(settings))
    this.ceiling = new RateCeiling(settings.maxBytesPerSecond)
  }

  configure(settings: ParallelStowSettings): void {
    this.settings = settings
    this.memory.configure(settings.memoryBytes)
    this.size.configure(maxBatchBytes(settings))
    this.ceiling.bytesPerSecond = settings.maxBytesPerSecond
  }
}

/** All connections can have a batch, and the next one can arrive meanwhile. */
function maxBatchBytes({ batchBytes, memoryBytes, connections }: ParallelStowSettings): number {
  return Math.min(batchBytes, memoryBytes / (connections + 1))
}
