import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Spawned } from '../spawned.ts'

/**
 * Starts our program with these arguments, as its script line says, with a footprint probe in its
 * process.
 */
export function program(args: readonly string[], log: string): Spawned {
  const probe = new URL('footprint-probe.ts', import.meta.url).href
  return new Spawned({ program: '../src/main.ts', args, log, nodeOptions: ['--import', probe] })
}

/** URL of an account, as the proxy's log tells once it listens. */
export async function urlOf(account: string, log: string): Promise<string> {
  const [, url = ''] = await lineOf(log, new RegExp(`"account":"${account}","url":"([^"]+)"`))
  return url
}

/** What fits in a log, as soon as it is there. */
export async function lineOf(log: string, pattern: RegExp): Promise<RegExpExecArray> {
  const deadline = performance.now() + 20_000
  for (;;) {
    const found = pattern.exec(readFileSync(log, 'utf8'))
    if (found) return found
    if (performance.now() > deadline) throw new Error(`No ${pattern} in ${log} within 20 s`)
    await delay(50)
  }
}
