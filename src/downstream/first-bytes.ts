import type { IncomingMessage } from 'node:http'
import type { Interruption } from '../concurrency/abort.ts'
import type { UpstreamTimeouts } from '../config/settings.ts'
import { clientStalled } from './min-rate.ts'
import { bodyRefused, refusalOf } from './refused-body.ts'

/** Bytes that show that a body flows. Less than what Node reads ahead of whoever wants the body. */
const enough = 16 * 1024

/**
 * Waits until a body flows: its first 16 KiB have arrived, or all of it. Where places at Google are scarce, an upload takes
 * one only then, so that clients that open many and send next to nothing don't take the last ones from the others.
 *
 * Rejects with a ProxyError `request-timeout` when that takes longer than `idle` milliseconds, with why the body is
 * refused when it is, and with the signal's reason when that aborts.
 */
export async function waitForFirstBytes(
  request: IncomingMessage,
  { idle, idleBytes }: Pick<UpstreamTimeouts, 'idle' | 'idleBytes'>,
  interruption: () => Interruption,
): Promise<void> {
  const hasCome = () => request.complete || request.readableLength >= Math.min(enough, idleBytes)
  const refusal = refusalOf(request)
  if (refusal) throw refusal
  if (hasCome()) return
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const { signal, done } = interruption()
  const onReadable = () => {
    if (hasCome()) resolve()
  }
  const onRefused = () => reject(refusalOf(request))
  const onAbort = () => reject(signal.reason)
  const timer = setTimeout(() => reject(clientStalled()), idle)
  request.on('readable', onReadable)
  request.once(bodyRefused, onRefused)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    signal.throwIfAborted()
    await promise
  } finally {
    clearTimeout(timer)
    request.off('readable', onReadable)
    request.off(bodyRefused, onRefused)
    signal.removeEventListener('abort', onAbort)
    done()
  }
}
