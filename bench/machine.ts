import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'

/** In general terms: enough to compare with, no more. */
export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly node: string
}

/** `node` is the executable that is measured; by default, that of this process. */
export function thisMachine(node = process.execPath): Machine {
  const all = cpus()
  return {
    processor: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    system: `${process.platform} ${process.arch}`,
    node: execFileSync(node, ['--version'], { encoding: 'utf8' }).trim(),
  }
}
