import type { Place } from './contender.ts'
import { ours } from './contenders.ts'
import { search, smallSearch } from './load/search.ts'
import type { Spawned } from './spawned.ts'

const requests = 50

/** How many tokens are requested when fifty concurrent requests meet a revoked token. */
export async function countRefreshes(place: Place, upstream: Spawned): Promise<number> {
  const proxy = await ours.start(place)
  try {
    const searches = () => search(proxy, [proxy.url + smallSearch], { times: requests, atOnce: requests })
    await searches()
    const before = await upstream.ask<number>('tokenRequests')
    await upstream.ask('revokeToken')
    await searches()
    return (await upstream.ask<number>('tokenRequests')) - before
  } finally {
    await proxy.close()
  }
}
