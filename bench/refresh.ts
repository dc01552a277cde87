import { ours, type Place } from './contender.ts'
import { search } from './load.ts'
import type { Spawned } from './spawned.ts'

const requests = 50

/** How many tokens are asked for when fifty requests at once meet a token that is no longer accepted. */
export async function countRefreshes(place: Place, upstream: Spawned): Promise<number> {
  const proxy = await ours.start(place)
  try {
    await search(proxy.url, { requests, connections: requests })
    const before = await upstream.ask<number>('tokenRequests')
    await upstream.ask('revokeToken')
    await search(proxy.url, { requests, connections: requests })
    return (await upstream.ask<number>('tokenRequests')) - before
  } finally {
    await proxy.close()
  }
}
