import { join } from 'node:path'
import { Spawned } from './spawned.ts'
import type { Usage } from './usage.ts'

/** Something that one could put between Orthanc and Google. */
export interface Contender {
  readonly name: string
  start(place: Place): Promise<RunningContender>
}

/** Where contenders run. */
export interface Place {
  /** Theirs to write to. */
  readonly folder: string
  /** JSON of an `Upstream`. */
  readonly upstreamFile: string
  readonly nodeOptions: readonly string[]
}

export interface RunningContender {
  /** What takes the place of the store's DICOMweb root; ends with a slash. */
  readonly url: string
  /** As the process itself says. */
  usage(): Promise<Usage>
  close(): Promise<void>
}

export const ours = nodeContender('gcp-dicomweb-proxy', 'ours')
export const httpProxy = nodeContender('http-proxy', 'http-proxy')
export const undici = nodeContender('undici', 'undici')
export const contenders: readonly Contender[] = [httpProxy, undici, ours]

/** A contender that is a Node program in `contenders/`. */
function nodeContender(name: string, program: string): Contender {
  return {
    name,
    async start({ folder, upstreamFile, nodeOptions }) {
      const args = [upstreamFile, folder]
      const log = join(folder, `${program}.log`)
      const spawned = new Spawned({ program: `contenders/${program}.ts`, args, log, nodeOptions })
      const url = await spawned.url()
      return { url, usage: () => spawned.ask<Usage>('usage'), close: () => spawned.close() }
    },
  }
}
