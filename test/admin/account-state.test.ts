import t from 'tap'
import { accountState } from '../../src/admin/account-state.ts'
import type { Sample } from '../../src/admin/samples.ts'

const now = 10_000_000
const token = { usable: true, failure: null }
const sample = (secondsAgo: number, figures: Partial<Sample>): Sample => ({
  ...{ requests: 0, failed: 0, incomplete: 0, doubtful: 0, rejected: 0, received: 0, sent: 0, ...figures },
  at: now - secondsAgo * 1000,
})
const state = (samples: Sample[], { hasSucceeded = true, ...of } = {}) =>
  accountState({ ...token, ...of }, { samples, hasSucceeded, now })

t.test('states by the last ten minutes', async (t) => {
  t.equal(state([], { hasSucceeded: false }), 'unused')
  t.equal(state([]), 'idle')
  t.equal(state([sample(300, { requests: 9, rejected: 9 })], { hasSucceeded: false }), 'unused', 'no success yet')
  t.equal(state([sample(300, { requests: 10, rejected: 9 })]), 'working')
  t.equal(state([sample(300, { requests: 10, failed: 1 })]), 'troubled')
  t.equal(state([sample(300, { requests: 10, incomplete: 10 })]), 'troubled')
  t.equal(state([sample(300, { requests: 10, doubtful: 1 })]), 'troubled')
  t.equal(state([sample(300, { requests: 10, failed: 5 })]), 'failing')
  t.equal(state([sample(300, { requests: 90, failed: 2, rejected: 87 })]), 'failing')
})

t.test('the last minute has the final say', async (t) => {
  const outage = sample(300, { requests: 500, failed: 500 })
  const good = sample(300, { requests: 500 })
  t.equal(state([outage, sample(20, { requests: 1 })]), 'recovered')
  t.equal(state([outage, sample(20, { requests: 1, rejected: 1 })]), 'failing', 'no success')
  t.equal(state([outage, sample(20, { requests: 9, failed: 1 })]), 'failing', 'not all is well yet')
  t.equal(state([good, sample(20, { requests: 4, failed: 3 })]), 'failing')
  t.equal(state([good, sample(20, { requests: 1, failed: 1 })]), 'troubled', 'one is no outage')
  t.equal(state([good, sample(20, { requests: 90, failed: 3 })]), 'troubled')
})

t.test('without a token nothing else counts; one that is not renewed is less than failing', async (t) => {
  const good = sample(20, { requests: 500 })
  t.equal(accountState({ usable: false, failure: 'why' }, { samples: [good], hasSucceeded: true, now }), 'no-token')
  t.equal(accountState({ usable: true, failure: 'why' }, { samples: [good], hasSucceeded: true, now }), 'token-at-risk')
  const bad = sample(20, { requests: 5, failed: 5 })
  t.equal(accountState({ usable: true, failure: 'why' }, { samples: [bad], hasSucceeded: true, now }), 'failing')
})
