/**
 * Does the work for each item, for no more than so many at the same time. After a failure it begins
 * no other, waits for those that run, and rejects with the first one's reason.
 */
export async function inParallel<Item>(
  items: Iterable<Item>,
  maxInFlight: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const remaining = items[Symbol.iterator]()
  let failure: { readonly reason: unknown } | null = null
  const worker = async () => {
    for (let next = remaining.next(); !next.done && !failure; next = remaining.next()) {
      try {
        await work(next.value)
      } catch (reason) {
        failure ??= { reason }
      }
    }
  }
  await Promise.all(Array.from({ length: maxInFlight }, worker))
  if (failure) throw (failure as { readonly reason: unknown }).reason
}
