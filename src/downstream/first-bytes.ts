import type { DisposableSignal } from '../concurrency/abort.ts'
import type { UpstreamTimeouts } from '../config/settings.ts'
import type { Inbound } from './inbound.ts'
import { clientStalled } from './min-rate.ts'

/** Bytes that show that a body flows. Node reads more than this ahead of any consumer. */
const minFirstBytes = 16 * 1024

/**
 * Waits until a body flows: its first 16 KiB have arrived, or all of it. Where slots at Google are
 * scarce, an upload takes one only then, so that clients that open many and send next to nothing
 * don't take the last ones from the others.
 *
 * Rejects with a ProxyError `request-timeout` when that takes longer than `idle` milliseconds, with
 * why the body is refused when it is, and with the signal's reason when that aborts.
 */
export async function waitForFirstBytes(
  inbound: Inbound,
  { idle, minBodyRate }: Pick<UpstreamTimeouts, 'idle' | 'minBodyRate'>,
  createSignal: () => DisposableSignal,
): Promise<void> {
  const { request, body, bodyRefusal } = inbound
  const hasCome = () => request.complete || body.readableLength >= Math.min(minFirstBytes, minBodyRate)
  if (bodyRefusal) throw bodyRefusal
  if (hasCome()) return
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const { signal, done } = createSignal()
  const onReadable = () => {
    if (hasCome()) resolve()
  }
  const onAbort = () => reject(signal.reason)
  const timer = setTimeout(() => reject(clientStalled()), idle)
  body.on('readable', onReadable)
  inbound.whenBodyRefused(reject)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    signal.throwIfAborted()
    await promise
  } finally {
    clearTimeout(timer)
    body.off('readable', onReadable)
    inbound.whenBodyRefused(null)
    signal.removeEventListener('abort', onAbort)
    done()
  }
}
