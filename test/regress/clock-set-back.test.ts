import { Clock } from '@tapjs/clock'
import { test } from 'tap'
import { TokenCache } from '../../src/credentials/token-cache.ts'

const hour = 3_600_000

/**
 * Measured by the wall clock alone, the token seemed to live an hour longer than it did: Google
 * refused it meanwhile.
 */
test('a clock set back does not put off the refresh', async (t) => {
  const clock = new Clock()
  clock.travel(1_800_000_000_000)
  t.teardown(clock.enter())
  let fetched = 0
  const fetch = async () => ({ value: `token-${++fetched}`, expiresAt: Date.now() + hour })
  const cache = new TokenCache(new Map([['a', fetch]]), { refreshInterval: 60_000 })
  t.teardown(() => cache.close())
  cache.start()
  await clock.flow(1000, 100)
  t.equal(fetched, 1)

  const wallClock = Date.now
  t.intercept(Date, 'now', { value: () => wallClock() - hour })
  await clock.flow(54 * 60_000, 10_000)
  t.equal(fetched, 1, 'more than 5 minutes are left')
  await clock.flow(2 * 60_000, 10_000)
  t.equal(fetched, 2)
})
