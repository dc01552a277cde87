import { Clock } from '@tapjs/clock'
import { type Test, test } from 'tap'
import { LoginThrottle } from '../../src/guard/login-throttle.ts'

const here = '192.0.2.1'

function fail(throttle: LoginThrottle, address = here): void {
  throttle.begin(address)
  throttle.end(address, { failed: true })
}

/** Begins before what looks at the time is made. */
function clockOf(t: Test) {
  const clock = new Clock()
  clock.travel(1_000_000)
  t.teardown(clock.enter())
  return clock
}

test('each failure doubles the wait, up to a minute', async (t) => {
  const clock = clockOf(t)
  const throttle = new LoginThrottle(3)
  const waits: number[] = []
  for (let failed = 0; failed < 12; failed++) {
    fail(throttle)
    const wait = throttle.waitOf(here)
    waits.push(wait / 1000)
    clock.advance(wait)
    t.equal(throttle.waitOf(here), 0, 'then one login is free')
  }
  t.same(waits, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60])
  t.equal(throttle.waitOf('192.0.2.2'), 0, 'others have nothing to do with it')
})

test('a right password does not buy more wrong ones', async (t) => {
  clockOf(t)
  const throttle = new LoginThrottle(2)
  fail(throttle)
  throttle.begin(here)
  throttle.end(here, { failed: false })
  fail(throttle)
  t.ok(throttle.waitOf(here) > 0)
})

test('after a quarter of an hour without a failure all is forgotten', async (t) => {
  const clock = clockOf(t)
  const throttle = new LoginThrottle(2)
  fail(throttle)
  fail(throttle)
  clock.advance(15 * 60_000 + 1)
  fail(throttle)
  t.equal(throttle.waitOf(here), 0)
})

test('attempts in flight count as if they had failed', async (t) => {
  clockOf(t)
  const throttle = new LoginThrottle(3)
  fail(throttle)
  throttle.begin(here)
  t.equal(throttle.waitOf(here), 0)
  throttle.begin(here)
  t.equal(throttle.waitOf(here), 1000)
  throttle.end(here, { failed: false })
  t.equal(throttle.waitOf(here), 0)
})

test('more than a hundred guesses at a name while the address waits shut out who is known by it, and nobody else', async (t) => {
  const clock = clockOf(t)
  const throttle = new LoginThrottle(1)
  t.notOk(throttle.isShut(here, 'a'))
  for (let guess = 0; guess < 100; guess++) throttle.guessed(here, 'a')
  t.notOk(throttle.isShut(here, 'a'))
  throttle.guessed(here, 'a')
  t.ok(throttle.isShut(here, 'a'))
  t.notOk(throttle.isShut(here, 'b'))
  t.notOk(throttle.isShut('192.0.2.2', 'a'))
  clock.advance(60_000)
  t.notOk(throttle.isShut(here, 'a'))
})

test('several clients of one address may begin at once', async (t) => {
  clockOf(t)
  const throttle = new LoginThrottle(1)
  for (let client = 0; client < 16; client++) {
    t.equal(throttle.waitOf(here), 0)
    throttle.begin(here)
  }
})
