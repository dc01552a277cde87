import { setTimeout as delay } from 'node:timers/promises'

/**
 * Polls until the condition is true: for what no event announces. Rejects after `timeout`
 * milliseconds: far more than a slow machine takes for anything.
 */
export async function eventually(
  what: string,
  isSo: () => Promise<boolean> | boolean,
  timeout = 60_000,
): Promise<void> {
  const deadline = performance.now() + timeout
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`Not within ${timeout} ms: ${what}`)
    await delay(20)
  }
}
