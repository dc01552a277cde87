/** What the work gives, unless the signal aborts before: then it rejects with the signal's reason, and the work goes on unseen. */
export function abortable<Value>(work: Value | Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise, resolve, reject } = Promise.withResolvers<Value>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  Promise.resolve(work)
    .then(resolve, reject)
    .finally(() => signal.removeEventListener('abort', onAbort))
  return promise
}
