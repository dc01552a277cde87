import { test } from 'tap'
import { ours } from '../../bench/contenders.ts'
import { mediansOf, steepness } from '../../bench/curve.ts'
import { latenciesOf } from '../../bench/latency.ts'
import { roundRobin } from '../../bench/rounds.ts'
import { median, percentile } from '../../bench/statistics.ts'

test('median and percentiles, in any order', async (t) => {
  t.equal(median([9, 1, 5]), 5)
  t.equal(median([4, 1, 3, 2]), 2.5)
  const hundred = Array.from({ length: 100 }, (_, at) => 100 - at)
  t.same(
    [0.5, 0.99, 0.999, 1].map((share) => percentile(hundred, share)),
    [50, 99, 100, 100],
  )
  t.equal(percentile([7], 0.001), 7)
})

test('every round begins with another one, and results stand in the order of the items', async (t) => {
  const order: string[] = []
  const rounds = await roundRobin(['a', 'b', 'c'], 2, async (item, round) => {
    order.push(item)
    return `${item}${round}`
  })
  t.same(order, ['a', 'b', 'c', 'b', 'c', 'a'])
  t.same(rounds, [
    ['a0', 'b0', 'c0'],
    ['a1', 'b1', 'c1'],
  ])
})

test('latency added is the difference within a round, not between the medians of all', async (t) => {
  const of = (p50: number) => ({ p50, p99: 2 * p50, p999: 3 * p50 })
  const at = (straight: number, through: number) => [
    { contender: ours.name, straight: of(straight), through: of(through) },
  ]
  const rounds = [at(1, 2), at(10, 10.5), at(3, 3.25)]
  const latency = { rate: 200, seconds: 1, connections: 16, rounds }
  t.same(latenciesOf(latency, ours.name), {
    straight: of(3),
    through: of(3.25),
    added: { p50: 0.5, p99: 1, p999: 1.5 },
  })
  t.equal(latenciesOf(latency, 'nginx'), undefined)
})

test('a curve is as steep as its highest point over its lowest', async (t) => {
  const rounds = [
    [{ contender: 'a', costs: [100, 120] }],
    [{ contender: 'a', costs: [110, 90] }],
    [{ contender: 'a', costs: [90, 126] }],
  ]
  const costs = mediansOf({ of: 'accounts', points: [1, 200], rounds }, 'a')
  t.same(costs, [100, 120])
  t.equal(steepness(costs), 1.2)
})
