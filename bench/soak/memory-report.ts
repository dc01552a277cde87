import type { Machine } from '../machine.ts'
import { table } from '../table.ts'

/** One measurement, in a fresh process. */
export interface Peak {
  readonly what: string
  readonly seconds: number
  /** Uploads of which Google got, and the client was told, every byte. */
  readonly whole: string
  /** Highest resident memory before the first upload, and until after the last; MiB. */
  readonly idle: number
  readonly peak: number
  readonly met: boolean
}

export interface MemoryRecord {
  readonly date: string
  readonly machine: Machine
  readonly load: number
  readonly uploads: number
  readonly mebibytes: number
  readonly peaks: readonly Peak[]
}

export function memoryReport({ date, machine, load, uploads, mebibytes, peaks }: MemoryRecord): string {
  const { processor, cores, memoryGiB, system, node } = machine
  const rows = peaks.map(({ what, seconds, whole, idle, peak, met }) => [
    what,
    seconds.toFixed(0),
    whole,
    idle.toFixed(0),
    peak.toFixed(0),
    met ? 'met' : 'MISSED',
  ])
  const parts = [
    '# Memory under many large uploads',
    `${date}; ${processor}, ${cores} cores, ${memoryGiB} GiB; ${system}; Node ${node}. Load of the machine before it began: ${load.toFixed(1)}. Proxy, upstream and clients share the machine.`,
    `${uploads} STOW-RS requests of ${mebibytes} MiB at the same time, chunked, through one fresh proxy process for each line, started by its command with defaults; TLS upstream. Highest resident memory of that process, in MiB; the target is below 512, with every upload whole.`,
    table(['', 'seconds', 'whole', 'idle', 'peak', ''], rows),
  ]
  return `${parts.join('\n\n')}\n`
}
