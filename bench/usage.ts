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
  return { cpu: user + system, peakMemory: process.resourceUsage().maxRSS * 1024 }
}
