import { availableParallelism } from 'node:os'
import { test } from 'tap'
import { shareOf } from '../../src/config/workers.ts'
import { configuration, load } from './settings-of.ts'

const proxy = (keys: object) => configuration({ DicomWebProxy: keys })

test('Workers auto is one for each core', async (t) => {
  t.equal((await load(t, proxy({ Workers: 'auto' }))).workers, availableParallelism())
})

test('a worker has its part of what is meant for the proxy as a whole, rounded up, and all of the rest', async (t) => {
  const Limits = { Connections: 100, ConnectionsPerAddress: 7, LogLines: 60, FailedLogins: 5 }
  const Concurrency = { UnderWay: 10, Waiting: 0, Wait: 20 }
  const whole = await load(t, proxy({ Workers: 3, Limits, Concurrency, Retry: { KeepInAll: 4_000_000 } }))
  const { limits, concurrency, retry, ...rest } = shareOf(whole)
  t.strictSame(limits, { ...whole.limits, connections: 34, connectionsPerAddress: 3, logLines: 20 })
  t.strictSame(concurrency, { ...whole.concurrency, underWay: 4, waiting: 0 })
  t.strictSame(retry, { ...whole.retry, keptInAll: 1_333_334 })
  t.match(whole, rest)
})
