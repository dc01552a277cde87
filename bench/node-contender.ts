import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Contender } from './contender.ts'
import { usageOf } from './process-usage.ts'
import { Spawned } from './spawned.ts'
import { readUpstreamFile } from './store.ts'

interface NodeContenderOptions {
  /** What it is built on, if not on Node alone. */
  readonly builtOn?: string
  /** Behind the two that every program gets. */
  readonly args?: readonly string[]
  /** Of a contender that can't add a header. */
  readonly loadBringsToken?: boolean
  /** Of another checkout, whose program it is; default: this one. */
  readonly checkout?: string
}

/**
 * A contender that is a Node program in `contenders/`. It gets the upstream's file and a folder of
 * its own.
 */
export function nodeContender(
  name: string,
  program: string,
  { builtOn, args = [], loadBringsToken = false, checkout }: NodeContenderOptions = {},
): Contender {
  return {
    name,
    compilesLate: true,
    version: () => (builtOn ? versionOf(builtOn) : ''),
    async start({ folder, upstreamFile, node, nodeOptions }) {
      const own = await mkdtemp(join(folder, `${program}-`))
      const spawned = new Spawned({
        program: `${checkout === undefined ? '' : `${pathToFileURL(resolve(checkout, 'bench')).href}/`}contenders/${program}.ts`,
        args: [upstreamFile, own, ...args],
        log: join(own, 'log'),
        node,
        nodeOptions,
      })
      const { token } = readUpstreamFile(upstreamFile)
      return {
        url: await spawned.url(),
        headers: loadBringsToken ? { authorization: `Bearer ${token}` } : {},
        usage: () => usageOf(spawned.pid),
        async close() {
          await spawned.close()
          await rm(own, { recursive: true })
        },
      }
    },
  }
}

function versionOf(name: string): string {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
