import { readFileSync } from 'node:fs'

/** What a process has cost so far. */
export interface Usage {
  /** Processor time, user and system, in microseconds. */
  readonly cpu: number
  /** Highest resident memory since its start, in bytes. */
  readonly peakMemory: number
}

/** Of this process. */
export function usageHere(): Usage {
  const { user, system } = process.cpuUsage()
  return { cpu: user + system, peakMemory: peakMemoryHere() }
}

/** Not getrusage's: on Linux that begins with the memory of the process that started this one, here the bench. */
function peakMemoryHere(): number {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1024
  const kibibytes = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return Number(kibibytes) * 1024
}
