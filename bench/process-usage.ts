import { readdirSync, readFileSync } from 'node:fs'

/** What a process and those that it has started have cost so far. */
export interface Usage {
  /** Processor time of all threads, user and system, in microseconds. */
  readonly cpu: number
  /**
   * Highest resident memory since its start, in bytes; what several processes share is counted for
   * each.
   */
  readonly peakMemory: number
  /** Resident memory now, in bytes. */
  readonly memory: number
}

/**
 * As the kernel counts it, for every kind of program alike; needs Linux (proc_pid_stat(5),
 * proc_pid_status(5)).
 */
export function usageOf(pid: number): Usage {
  const pids = family(pid)
  // Each file is read once: the process continues between two reads, and its peak must not be below
  // its current value.
  const statuses = pids.map((each) => read(each, 'status'))
  const memory = (field: string) => sum(statuses, (status) => bytesOf(status, field))
  return { cpu: sum(pids, cpuOf), peakMemory: memory('VmHWM'), memory: memory('VmRSS') }
}

function family(pid: number): readonly number[] {
  const children = threadsOf(pid).flatMap((thread) => read(pid, `task/${thread}/children`).split(' '))
  return [pid, ...children.filter((text) => text !== '').flatMap((text) => family(Number(text)))]
}

/**
 * Both counts can only be too low: `stat` counts in steps of 10 ms, and `schedstat` leaves out
 * threads that have ended.
 */
function cpuOf(pid: number): number {
  // After the name, which may have spaces in it: fields 14 and 15 of the line.
  const [user, system] = read(pid, 'stat')
    .replace(/^.*\) /s, '')
    .split(' ')
    .slice(11, 13)
    .map(Number)
  const ticks = ((user ?? 0) + (system ?? 0)) * 10_000
  const threads = sum(threadsOf(pid), (thread) => parseInt(read(pid, `task/${thread}/schedstat`), 10) / 1000)
  return Math.max(ticks, threads)
}

function bytesOf(status: string, field: string): number {
  const line = new RegExp(`^${field}:\\s*(\\d+) kB$`, 'm')
  return Number(line.exec(status)?.[1] ?? 0) * 1024
}

function threadsOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).map(Number)
}

function read(pid: number, file: string): string {
  return readFileSync(`/proc/${pid}/${file}`, 'utf8')
}

function sum<Item>(items: readonly Item[], amount: (item: Item) => number): number {
  return items.reduce((total, item) => total + amount(item), 0)
}
