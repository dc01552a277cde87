import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Test } from 'tap'

export interface Health {
  /**
   * The longest (ms) that /healthz took since this was asked last, without the time in which the
   * machine had no processor for the proxy or for who asked; and how often it was asked. Infinity
   * where it was not healthy.
   */
  longest(): Promise<{ readonly longest: number; readonly probes: number }>
}

/**
 * Asks a proxy's /healthz again and again until the test ends, from a thread of its own. The proxy
 * should be in a process of its own: what holds up the test must not pass for what holds up the
 * proxy.
 *
 * @param pid of the proxy's process
 */
export async function watchHealth(t: Test, adminUrl: string, pid: number): Promise<Health> {
  const worker = new Worker(new URL('./health-probe.ts', import.meta.url), {
    workerData: { url: `${adminUrl}/healthz`, pid },
    execArgv: [],
  })
  t.teardown(() => worker.terminate())
  const longest = async () => {
    worker.postMessage(null)
    const [result] = await once(worker, 'message')
    return result
  }
  await longest()
  return { longest }
}
