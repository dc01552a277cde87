import { test } from 'tap'
import type { Account } from '../../src/admin/proxy-status.ts'
import { Samples } from '../../src/admin/samples.ts'

// An account that two reloads took away and brought back between two samples had fewer requests
// than none: for ten minutes its plots were below zero, and its state was wrong.
test('an account that has come again begins at nothing', async (t) => {
  let requests = 5
  const nothing = { failed: 0, incomplete: 0, doubtful: 0, rejected: 0, received: 0, sent: 0 }
  const history = { of: () => ({ requests: {}, failures: [] }), totals: () => ({ requests, ...nothing }), inFlight: [] }
  const samples = new Samples({ accounts: () => [{ name: 'a' } as Account], history }, 10)
  requests = 7
  samples.take()
  requests = 1
  samples.take()
  requests = 3
  samples.take()
  t.same(
    samples.of('a').map((sample) => sample.requests),
    [2],
  )
})
