import { test } from 'tap'
import { ours } from '../../bench/contenders.ts'
import { verdictsOf } from '../../bench/verdicts.ts'
import { someResults } from './some-results.ts'

test('each target that was measured has a verdict by its own figure', async (t) => {
  const verdicts = Object.fromEntries(verdictsOf(someResults).map(({ name, ...verdict }) => [name, verdict]))
  const figures = Object.entries(verdicts).map(([name, { figure, met }]) => [name, figure, met])
  t.same(figures, [
    ['small/caddy', '1.10 (1.10 to 1.10)', false],
    // The median of 0.88, 0.44 and 0.55.
    ['small/http-proxy', '0.55 (0.44 to 0.88)', true],
    ['down/best', '1.00 (1.00 to 1.00)', true],
    ['latency/p50', '0.40 ms', true],
    ['latency/p99', '3.50 ms', false],
    ['many-up', '256 MiB', true],
    ['idle', '32.5 KiB', false],
    ['connections', '1.14', true],
    ['accounts', '1.16', false],
  ])
  t.match(verdicts['down/best']?.what, /undici/, 'the best is named')
})

test('2 GiB more memory than 64 MiB, and token requests', async (t) => {
  const memory = [{ direction: 'WADO-RS', small: [100], large: [133], difference: 33 }]
  const verdicts = verdictsOf({ ...someResults, workloads: [], curves: [], memory, tokenRequests: 2 })
  const met = Object.fromEntries(verdicts.map(({ name, met }) => [name, met]))
  t.match(met, { 'memory/WADO-RS': false, refresh: false })
})

test('without our proxy, or without the rival, there is no verdict on them', async (t) => {
  const only = (wanted: string) => ({
    ...someResults,
    latency: undefined,
    idle: undefined,
    curves: [],
    workloads: someResults.workloads.map((workload) => ({
      ...workload,
      rounds: workload.rounds.map((round) => round.filter(({ contender }) => contender === wanted)),
    })),
  })
  const { latency, idle, ...others } = only('caddy')
  t.same(verdictsOf(others), [])
  const { latency: _, idle: __, ...own } = only(ours.name)
  t.same(
    verdictsOf(own).map(({ name }) => name),
    ['many-up'],
  )
})
