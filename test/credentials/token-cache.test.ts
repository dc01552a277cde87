import { setImmediate as turn } from 'node:timers/promises'
import { Clock } from '@tapjs/clock'
import { type Test, test } from 'tap'
import { type AccessToken, type FetchToken, TokenFailure } from '../../src/credentials/access-token.ts'
import { credentialKey } from '../../src/credentials/fetch-token.ts'
import { TokenCache, type TokenEvent } from '../../src/credentials/token-cache.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const start = 1_800_000_000_000

/** A fake clock that only advances when the test says so. */
function fakeTime(t: Test) {
  const clock = new Clock()
  clock.travel(start)
  t.teardown(clock.enter())
  function setWallClock(difference: number) {
    const { now } = Date
    t.intercept(Date, 'now', { value: () => now() + difference, writable: true, configurable: true })
  }
  return {
    clock,
    /** Cleared timers have no function any more. */
    pending: () => [...clock.timers.values()].flat().filter(({ _onTimeout }) => _onTimeout),
    /** Lets time pass in small steps, and pending work run in between. */
    async pass(milliseconds: number, step = Math.min(milliseconds, 500)) {
      for (let left = milliseconds; left > 0; left -= step) {
        clock.advance(Math.min(left, step))
        await turn()
      }
      await turn()
    },
    /** Changes what the wall clock says, as an administrator or NTP does; timers don't notice. */
    setWallClock,
    /** The monotonic clock stands still while a machine sleeps, and timers with it. */
    sleep: setWallClock,
  }
}

type Behaviour = { life: number; delay?: number } | { fails: string; delay?: number }

interface NumberingIssuer {
  behaviour: Behaviour
  /** When each call came, after the start. */
  readonly calls: number[]
  running: number
  /** Calls at the same time. */
  most: number
  readonly fetch: FetchToken
}

/** An issuer whose tokens are numbered. */
function issuer(behaviour: Behaviour): NumberingIssuer {
  const state: NumberingIssuer = {
    behaviour,
    calls: [],
    running: 0,
    most: 0,
    fetch: async () => {
      state.calls.push(performance.now() - start)
      const number = state.calls.length
      state.running += 1
      state.most = Math.max(state.most, state.running)
      const { delay } = state.behaviour
      if (delay) await new Promise((resolve) => setTimeout(resolve, delay))
      state.running -= 1
      if ('fails' in state.behaviour) {
        throw new TokenFailure({ code: 'test', problem: state.behaviour.fails, remedy: '' })
      }
      return { value: `token-${number}`, expiresAt: Date.now() + state.behaviour.life }
    },
  }
  return state
}

interface CacheOptions {
  readonly refreshInterval?: number
  readonly onRefresh?: (identity: string, event: TokenEvent) => void
}

function cacheOf(
  t: Test,
  fetches: Record<string, FetchToken>,
  { refreshInterval = minute, onRefresh }: CacheOptions = {},
) {
  const cache = new TokenCache(new Map(Object.entries(fetches)), {
    refreshInterval,
    ...(onRefresh && { onRefresh }),
  })
  t.teardown(() => cache.close())
  return cache
}

async function textOf(token: AccessToken | Promise<AccessToken>): Promise<string> {
  return (await token).value
}

test('all tokens are fetched at the start, without any request', async (t) => {
  fakeTime(t)
  const [a, b] = [issuer({ life: hour }), issuer({ life: hour })]
  const cache = cacheOf(t, { a: a.fetch, b: b.fetch })
  t.same([a.calls.length, b.calls.length], [0, 0], 'not before it')
  t.same(cache.state('a'), {
    usable: false,
    expiresAt: null,
    fetchedAt: null,
    failure: null,
    nextAttemptAt: null,
    refreshes: 0,
    failures: 0,
  })
  cache.start()
  await turn()
  t.same([a.calls.length, b.calls.length], [1, 1])
  t.match(cache.state('a'), {
    usable: true,
    expiresAt: start + hour,
    fetchedAt: start,
    failure: null,
    nextAttemptAt: null,
  })
  t.match(cache.state('a'), { refreshes: 1, failures: 0 })
  t.equal(await textOf(cache.source('a').token()), 'token-1')
})

test('an idle proxy keeps its token fresh, for a day', async (t) => {
  const time = fakeTime(t)
  const google = issuer({ life: hour, delay: 200 })
  const cache = cacheOf(t, { a: google.fetch })
  cache.start()
  let minLifeMs = Number.POSITIVE_INFINITY
  await time.pass(second)
  for (let passed = 0; passed < 24 * hour; passed += 10 * second) {
    await time.pass(10 * second, 10 * second)
    minLifeMs = Math.min(minLifeMs, (cache.state('a').expiresAt ?? 0) - Date.now())
  }
  t.ok(minLifeMs > 4 * minute, `never less than ${minLifeMs / second} s left`)
  const gaps = google.calls.slice(1).map((at, n) => at - (google.calls[n] ?? 0))
  t.ok(
    gaps.every((gap) => gap >= 55 * minute && gap <= 56 * minute + 20 * second),
    'each once, 5 minutes ahead',
  )
  t.equal(google.most, 1)
})

test('with more than 5 minutes left, a request gets the token at once', async (t) => {
  const time = fakeTime(t)
  const google = issuer({ life: hour })
  const cache = cacheOf(t, { a: google.fetch }, { refreshInterval: 24 * hour })
  const source = cache.source('a')
  await source.token()
  google.behaviour = { life: hour, delay: hour }
  for (let n = 0; n < 54; n++) {
    time.clock.advance(minute - 1)
    t.equal(await textOf(source.token()), 'token-1')
  }
  t.equal(google.calls.length, 1)
})

test('with less, it does too, while exactly one refresh runs behind', async (t) => {
  const time = fakeTime(t)
  const google = issuer({ life: hour })
  const cache = cacheOf(t, { a: google.fetch }, { refreshInterval: 24 * hour })
  const source = cache.source('a')
  await source.token()
  time.clock.advance(55 * minute - 1)
  t.equal(await textOf(source.token()), 'token-1')
  t.equal(google.calls.length, 1, 'a millisecond early')

  google.behaviour = { life: hour, delay: 10 * second }
  time.clock.advance(2)
  for (let n = 0; n < 50; n++) t.equal(await textOf(source.token()), 'token-1')
  t.equal(google.calls.length, 2)
  await time.pass(5 * second)
  t.equal(await textOf(source.token()), 'token-1')
  await time.pass(6 * second)
  t.equal(await textOf(source.token()), 'token-2')
  t.equal(google.calls.length, 2)
})

test('a request does not rely on the timer for it', async (t) => {
  const time = fakeTime(t)
  const google = issuer({ life: hour })
  const source = cacheOf(t, { a: google.fetch }).source('a')
  await source.token()
  time.sleep(56 * minute)
  t.equal(await textOf(source.token()), 'token-1', 'four minutes are left')
  await turn()
  t.equal(await textOf(source.token()), 'token-2')
})

test('fifty requests that meet an expired token wait for one fetch', async (t) => {
  const time = fakeTime(t)
  const google = issuer({ life: hour })
  const cache = cacheOf(t, { a: google.fetch }, { refreshInterval: 24 * hour })
  const source = cache.source('a')
  await source.token()
  google.behaviour = { life: hour, delay: second }
  time.sleep(hour)
  let settled = 0
  const values = Array.from({ length: 50 }, async () => {
    const value = await textOf(source.token())
    settled += 1
    return value
  })
  await time.pass(999)
  t.equal(settled, 0, 'nobody gets an expired token')
  await time.pass(2)
  t.same([...new Set(await Promise.all(values))], ['token-2'])
  t.equal(google.calls.length, 2)
})

test('fifty requests before the first token wait for it as well, and all hear of its failure', async (t) => {
  const time = fakeTime(t)
  const google = issuer({ life: hour, delay: second })
  const cache = cacheOf(t, { a: google.fetch })
  cache.start()
  const source = cache.source('a')
  const first = Promise.all(Array.from({ length: 50 }, () => textOf(source.token())))
  await time.pass(2 * second)
  t.same([...new Set(await first)], ['token-1'])

  google.behaviour = { fails: 'No luck.', delay: second }
  time.sleep(hour)
  const refused = Array.from({ length: 50 }, async () => {
    try {
      return await source.token()
    } catch (error) {
      return error
    }
  })
  await time.pass(1100, 100)
  for (const error of await Promise.all(refused)) {
    t.match(error, { name: 'ProxyError', code: 'token-unavailable', status: 503, message: 'No luck.', retryAfter: 1 })
    t.match((error as Error).cause, { name: 'TokenFailure' })
  }
  t.equal(google.calls.length, 2)
})

test('a failed refresh never takes away a token that is still good', async (t) => {
  const time = fakeTime(t)
  const google = issuer({ life: hour })
  const cache = cacheOf(t, { a: google.fetch })
  const source = cache.source('a')
  cache.start()
  await time.pass(56 * minute, 10 * second)
  google.behaviour = { fails: 'The token endpoint is down.' }
  const good = google.calls.length
  t.equal(good, 2)
  for (let passed = 0; passed < 59 * minute; passed += 10 * second) {
    await time.pass(10 * second, 10 * second)
    t.match(await source.token(), { value: 'token-2' })
  }
  t.ok(google.calls.length > good + 3, 'many attempts')
  t.match(cache.state('a'), { usable: true, failure: 'The token endpoint is down.' })
  await time.pass(2 * minute, 10 * second)
  t.match(cache.state('a'), { usable: false })
  await t.rejects(async () => source.token(), { code: 'token-unavailable', message: 'The token endpoint is down.' })
})

test('failures back off: 1 s doubling to 30 s, shortened by up to a quarter', async (t) => {
  const time = fakeTime(t)
  const google = issuer({ fails: 'No luck.' })
  const cache = cacheOf(t, { a: google.fetch })
  cache.start()
  await time.pass(4 * minute, 50)
  const gaps = google.calls.slice(1).map((at, n) => at - (google.calls[n] ?? 0))
  const longest = [1, 2, 4, 8, 16, 30, 30, 30, 30].map((seconds) => seconds * second)
  for (const [n, most] of longest.entries()) {
    const gap = gaps[n] ?? 0
    t.ok(gap >= 0.75 * most && gap <= most + 100, `${gap} ms of at most ${most} ms`)
  }
  t.ok(new Set(gaps.slice(5, 9)).size > 1, 'with jitter')
})

test('meanwhile requests are refused at once, and say when a new try makes sense', async (t) => {
  const time = fakeTime(t)
  const google = issuer({ fails: 'No luck.' })
  const cache = cacheOf(t, { a: google.fetch })
  const source = cache.source('a')
  cache.start()
  await time.pass(20 * second, 50)
  const { calls } = google
  const attempts = calls.length
  google.behaviour = { fails: 'No luck.', delay: hour }
  for (let n = 0; n < 20; n++) {
    const wait = (cache.state('a').nextAttemptAt ?? 0) - Date.now()
    t.ok(wait > 0)
    await t.rejects(async () => source.token(), { code: 'token-unavailable', retryAfter: Math.ceil(wait / second) })
  }
  t.equal(calls.length, attempts, 'no request asks the issuer')
})

test('a success ends the backoff, and the next failure starts it again', async (t) => {
  const time = fakeTime(t)
  const google = issuer({ fails: 'No luck.' })
  const cache = cacheOf(t, { a: google.fetch }, { refreshInterval: 24 * hour })
  const source = cache.source('a')
  cache.start()
  await time.pass(minute, 100)
  google.behaviour = { life: hour }
  await time.pass(31 * second, 100)
  t.match(cache.state('a'), { usable: true, failure: null, nextAttemptAt: null })
  t.match((await source.token()).value, /^token-/)

  google.behaviour = { fails: 'Again.' }
  time.clock.advance(2 * hour)
  await turn()
  await t.rejects(async () => source.token(), { message: 'Again.', retryAfter: 1 })
  const { length } = google.calls
  await time.pass(1100, 50)
  t.equal(google.calls.length, length + 1, 'the next try comes within a second')
})

test('a token that Google rejected is not used again', async (t) => {
  const time = fakeTime(t)
  const google = issuer({ life: hour })
  const cache = cacheOf(t, { a: google.fetch })
  const source = cache.source('a')
  const first = await source.token()
  source.invalidate(first)
  t.equal(cache.state('a').usable, false)
  google.behaviour = { life: hour, delay: second }
  const waiting = Promise.all(Array.from({ length: 50 }, () => textOf(source.token())))
  source.invalidate(first)
  await time.pass(1100)
  t.same([...new Set(await waiting)], ['token-2'])
  t.equal(google.calls.length, 2)

  t.comment('late responses to the first one')
  source.invalidate(first)
  source.invalidate({ value: 'token-0', expiresAt: 0 })
  t.equal(await textOf(source.token()), 'token-2')
  t.equal(google.calls.length, 2)

  t.comment('a late response to the first one does not make up for the second')
  const latest = await source.token()
  source.invalidate(latest)
  source.invalidate(first)
  const third = textOf(source.token())
  await time.pass(1100)
  t.equal(await third, 'token-3')

  t.comment('no new one is to be had')
  google.behaviour = { fails: 'No luck.' }
  source.invalidate(await source.token())
  await t.rejects(async () => source.token(), { code: 'token-unavailable' })
  await t.rejects(async () => source.token(), { code: 'token-unavailable' })
  t.equal(google.calls.length, 4)
})

test('an idle proxy checks every token within the interval', async (t) => {
  const happenings: Record<string, (time: ReturnType<typeof fakeTime>, cache: TokenCache, token: AccessToken) => void> =
    {
      'Google rejected it': (_, cache, token) => cache.source('a').invalidate(token),
      'the machine slept': (time) => time.sleep(3 * hour),
    }
  for (const [name, happen] of Object.entries(happenings)) {
    t.test(name, async (t) => {
      const time = fakeTime(t)
      const google = issuer({ life: hour })
      const cache = cacheOf(t, { a: google.fetch }, { refreshInterval: 20 * second })
      cache.start()
      await time.pass(5 * minute)
      happen(time, cache, await cache.source('a').token())
      t.equal(cache.state('a').usable, false)
      await time.pass(21 * second)
      t.equal(google.calls.length, 2)
      t.equal(cache.state('a').usable, true)
    })
  }
})

test('a caller that needs a minute gets a token with one left', async (t) => {
  const time = fakeTime(t)
  const google = issuer({ life: hour })
  const cache = cacheOf(t, { a: google.fetch }, { refreshInterval: 24 * hour })
  const source = cache.source('a')
  await source.token()
  google.behaviour = { fails: 'No luck.' }
  time.clock.advance(59 * minute - second)
  t.equal(await textOf(source.token(minute)), 'token-1', '61 s left')
  await turn()
  time.clock.advance(2 * second)
  await t.rejects(async () => source.token(minute), { code: 'token-unavailable' }, '59 s left, and no other one')
  t.equal(await textOf(source.token()), 'token-1', 'enough for others')
  google.behaviour = { life: hour }
  time.clock.advance(5 * second)
  t.match(await source.token(minute), { value: /^token-[^1]/ })

  t.comment('an issuer of short tokens: there is no better one than one just fetched')
  google.behaviour = { life: 50 * second }
  time.clock.advance(2 * hour)
  const short = await source.token(minute)
  t.equal(short.expiresAt - Date.now(), 50 * second)
})

test('tokens of a short life are refreshed at half of it, not at each request', async (t) => {
  for (const life of [4 * minute, minute, 10 * second]) {
    t.test(`${life / second} s`, async (t) => {
      const time = fakeTime(t)
      const google = issuer({ life })
      const cache = cacheOf(t, { a: google.fetch })
      const source = cache.source('a')
      cache.start()
      await turn()
      for (let passed = 0; passed < 10 * life; passed += life / 40) {
        t.ok((await source.token()).expiresAt > Date.now())
        await time.pass(life / 40)
      }
      t.ok(google.calls.length >= 15 && google.calls.length <= 21, `${google.calls.length} fetches in ten lives`)
    })
  }
  t.test('a millisecond', async (t) => {
    const time = fakeTime(t)
    const google = issuer({ life: 1 })
    const cache = cacheOf(t, { a: google.fetch })
    cache.start()
    await time.pass(minute, 100)
    t.ok(google.calls.length <= 61, `${google.calls.length} fetches in a minute, with nobody asking`)
  })
})

test('a token that has expired already is a failure', async (t) => {
  for (const life of [0, -1, -hour]) {
    const time = fakeTime(t)
    const google = issuer({ life })
    const cache = cacheOf(t, { a: google.fetch })
    await t.rejects(async () => cache.source('a').token(), {
      code: 'token-unavailable',
      message:
        'The issuer gave a token that has already expired. Set the clock of this machine: timedatectl set-ntp true',
      retryAfter: 1,
    })
    t.equal(cache.state('a').usable, false)
    cache.close()
    time.clock.exit()
  }
})

test('a changed clock', async (t) => {
  for (const [name, change] of Object.entries({ back: -hour, forward: hour, 'far back': -1000 * hour })) {
    t.test(`set ${name}, it does not stop the refreshing`, async (t) => {
      const time = fakeTime(t)
      const google = issuer({ life: hour })
      const cache = cacheOf(t, { a: google.fetch })
      const source = cache.source('a')
      cache.start()
      await time.pass(10 * minute, 10 * second)
      t.equal(google.calls.length, 1)
      time.setWallClock(change)
      await time.pass(5 * hour, 10 * second)
      const gaps = google.calls.slice(1).map((at, n) => at - (google.calls[n] ?? 0))
      t.ok(google.calls.length >= 6, `${google.calls.length} fetches in five hours`)
      t.ok(Math.max(...gaps) <= 57 * minute, 'none late')
      t.ok((await source.token()).expiresAt > Date.now())
    })
    t.test(`set ${name} while attempts fail, it does not stop the attempts`, async (t) => {
      const time = fakeTime(t)
      const google = issuer({ fails: 'No luck.' })
      const cache = cacheOf(t, { a: google.fetch })
      cache.start()
      await time.pass(2 * minute, 500)
      time.setWallClock(change)
      const attempts = google.calls.length
      await time.pass(5 * minute, 500)
      t.ok(google.calls.length >= attempts + 9, 'every 30 s at least')
      google.behaviour = { life: hour }
      await time.pass(31 * second, 500)
      t.equal(cache.state('a').usable, true)
    })
  }
  t.test('a machine that slept beyond the expiry', async (t) => {
    const time = fakeTime(t)
    const google = issuer({ life: hour })
    const cache = cacheOf(t, { a: google.fetch })
    cache.start()
    await time.pass(10 * minute, 10 * second)
    time.sleep(3 * hour)
    t.equal(cache.state('a').usable, false)
    t.equal(await textOf(cache.source('a').token()), 'token-2')
  })
})

test('close ends all timers, also during a fetch', async (t) => {
  const time = fakeTime(t)
  const google = issuer({ life: hour })
  const failing = issuer({ fails: 'No luck.' })
  const slow = issuer({ life: hour, delay: minute })
  const cache = cacheOf(t, { a: google.fetch, b: failing.fetch, c: slow.fetch })
  cache.start()
  await time.pass(second)
  t.ok(time.pending().length >= 3)
  cache.close()
  t.equal(time.pending().length, 1, 'the slow issuer’s own')
  await time.pass(2 * minute, second)
  t.equal(time.pending().length, 0)
  const calls = [google, failing, slow].map(({ calls: { length } }) => length)
  await time.pass(3 * hour, 10 * second)
  t.same(
    [google, failing, slow].map(({ calls: { length } }) => length),
    calls,
  )
})

test('the timers keep no process alive', async (t) => {
  const time = fakeTime(t)
  const cache = cacheOf(t, { a: issuer({ life: hour }).fetch })
  cache.start()
  await time.pass(second)
  t.same(
    time.pending().map(({ reffed }) => reffed),
    [false],
  )
})

test('one account’s trouble is not another’s', async (t) => {
  const time = fakeTime(t)
  const [good, bad, silent] = [
    issuer({ life: hour }),
    issuer({ fails: 'No luck.' }),
    issuer({ life: hour, delay: hour }),
  ]
  const cache = cacheOf(t, { good: good.fetch, bad: bad.fetch, silent: silent.fetch })
  cache.start()
  await time.pass(second)
  t.equal(await textOf(cache.source('good').token()), 'token-1')
  await t.rejects(async () => cache.source('bad').token(), { code: 'token-unavailable' })
  t.match(cache.state('good'), { usable: true })
  t.match(cache.state('bad'), { usable: false, failure: 'No luck.' })
  t.match(cache.state('silent'), { usable: false, failure: null })
})

test('each attempt is reported, and no failure goes unhandled', async (t) => {
  const time = fakeTime(t)
  const unhandled: unknown[] = []
  const note = (error: unknown) => unhandled.push(error)
  process.on('unhandledRejection', note)
  t.teardown(() => process.off('unhandledRejection', note))
  const events: [string, TokenEvent][] = []
  const google = issuer({ fails: 'No luck.' })
  const broken: FetchToken = () => {
    throw new TypeError('secret')
  }
  const onRefresh = (...event: [string, TokenEvent]) => events.push(event)
  const cache = cacheOf(t, { a: google.fetch, b: broken, c: () => Promise.reject('secret') }, { onRefresh })
  cache.start()
  await time.pass(10 * second, 100)
  google.behaviour = { life: hour }
  await time.pass(30 * second, 100)
  const first = (identity: string) => events.find(([of]) => of === identity)?.[1]
  t.match(first('a'), { error: { message: 'No luck.' }, retryIn: Number })
  const message = 'Fetching the access token failed unexpectedly; the proxy keeps trying. Report it if it persists.'
  for (const identity of ['b', 'c']) {
    t.match(first(identity), { error: { name: 'TokenFailure', message } })
    t.equal(cache.state(identity).failure, message)
  }
  t.match(events.filter(([of]) => of === 'a').at(-1)?.[1], { expiresAt: Number })
  t.same(unhandled, [])
})

test('accounts with the same credential share a fetch', async (t) => {
  const source = { kind: 'service-account-file', file: '/keys/a.json' } as const
  const same = credentialKey({ source, impersonate: null })
  t.equal(credentialKey({ source: { ...source }, impersonate: null }), same)
  const user = { kind: 'authorized-user', clientId: 'id', clientSecret: 'hush-hush', refreshToken: '1//hush' } as const
  const credentials = [
    { source: { ...source, file: '/keys/b.json' }, impersonate: null },
    { source: { ...source, kind: 'authorized-user-file' as const }, impersonate: null },
    { source: { ...source, kind: 'external-account-file' as const }, impersonate: null },
    { source, impersonate: 'reader@p.iam.gserviceaccount.com' },
    { source, impersonate: 'writer@p.iam.gserviceaccount.com' },
    { source: user, impersonate: null },
    { source: { ...user, clientSecret: 'other' }, impersonate: null },
    { source: { ...user, refreshToken: 'other' }, impersonate: null },
    ...[null, '/keys/a.json'].flatMap((file) =>
      [null, 'metadata:80'].map((metadataHost) => {
        const kind = 'application-default' as const
        return { source: { kind, file, wellKnownFile: null, metadataHost }, impersonate: null }
      }),
    ),
  ]
  const identities = new Set([same, ...credentials.map(credentialKey)])
  t.equal(identities.size, credentials.length + 1, 'others differ')
  for (const identity of identities) t.notMatch(identity, /hush|keys|iam/)

  const time = fakeTime(t)
  const google = issuer({ life: hour, delay: second })
  const cache = cacheOf(t, { [same]: google.fetch })
  const both = Promise.all([cache.source(same).token(), cache.source(same).token()])
  await time.pass(1100)
  t.match(await both, [{ value: 'token-1' }, { value: 'token-1' }])
  cache.source(same).invalidate((await both)[0])
  t.equal(cache.state(same).usable, false, 'and what one learns of the token, the other knows')
  t.throws(() => cache.state('unknown'), /No such credential/)
})
