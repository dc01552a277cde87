import { readdirSync, readlinkSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { reportTo } from '../child.ts'

// Loaded into the shipped program before it starts: reports what the process holds.

/** What a process holds after a full garbage collection. */
export interface Footprint {
  /** Open file descriptors: sockets, and all others. */
  readonly sockets: number
  readonly otherDescriptors: number
  /** What keeps Node running, by kind: how many. */
  readonly resources: Readonly<Record<string, number>>
  /** Bytes. */
  readonly heap: number
  readonly buffers: number
  readonly resident: number
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

reportTo(process, '', { footprint })

function footprint(): Footprint {
  // The first round runs finalizers, which release more.
  for (let round = 0; round < 3; round += 1) collectGarbage()
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage()
  const descriptors = openDescriptors()
  const sockets = descriptors.filter((target) => target.startsWith('socket:')).length
  return {
    sockets,
    otherDescriptors: descriptors.length - sockets,
    resources: counted(process.getActiveResourcesInfo()),
    heap: heapUsed,
    buffers: external + arrayBuffers,
    resident: rss,
  }
}

function openDescriptors(): string[] {
  const folder = '/proc/self/fd'
  return readdirSync(folder).flatMap((name) => {
    try {
      return readlinkSync(`${folder}/${name}`)
    } catch {
      // The descriptor that reads the folder.
      return []
    }
  })
}

function counted(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
