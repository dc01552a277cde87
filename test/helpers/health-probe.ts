import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'

/**
 * The thread behind `watchHealth`: asks a proxy's /healthz again and again, over a new connection
 * each time, even while the thread of the test is busy.
 */

const { url, pid } = workerData as { url: string; pid: number }
const pauseMs = 20
const timeoutMs = 30_000

let longest = 0
let probes = 0

/**
 * Milliseconds that a thread was ready to run and had no processor (Linux; elsewhere 0): the
 * machine's fault, not its own.
 */
function waited(thread: string): number {
  try {
    return Number(readFileSync(`/proc/${thread}/schedstat`, 'utf8').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

async function probe(): Promise<void> {
  const began = performance.now()
  const threads = [`${pid}/task/${pid}`, 'thread-self']
  const before = threads.map(waited)
  await healthy()
  // They may have waited at the same time.
  const lacked = Math.max(...threads.map((thread, at) => waited(thread) - (before[at] ?? 0)))
  longest = Math.max(longest, performance.now() - began - lacked)
  probes += 1
}

/** Resolves without a response, too, when the time is over at the latest: the time tells. */
function healthy(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const asking = request(url, { agent: false, timeout: timeoutMs }, (response) => {
    // Another response is as bad as none.
    if (response.statusCode !== 200) longest = Number.POSITIVE_INFINITY
    response.resume().on('end', resolve)
  })
  asking.on('timeout', () => asking.destroy())
  asking.on('error', () => {
    longest = Number.POSITIVE_INFINITY
    resolve()
  })
  asking.end()
  return promise
}

async function probeOn(): Promise<never> {
  for (;;) {
    await probe()
    await delay(pauseMs)
  }
}

/**
 * What was the longest since this was asked last, up to the end of a probe that has begun since.
 */
parentPort?.on('message', async () => {
  const { probes: before } = { probes }
  while (probes < before + 2) await delay(pauseMs)
  parentPort?.postMessage({ longest, probes })
  longest = 0
  probes = 0
})

void probeOn()
