import { ours } from '../../bench/contenders.ts'
import type { Results } from '../../bench/results.ts'

const sample = (contender: string, cpu: number, peakMemory = 100) => ({
  contender,
  requests: 1_000,
  bytes: 50_000,
  cpu,
  seconds: 1,
  peakMemory,
})

/** As of a run that was interrupted after a few measurements. */
export const someResults: Results = {
  date: '2026-11-25',
  machine: { processor: 'Some <fast> one', cores: 2, memoryGiB: 4, system: 'linux x64', node: 'v24.0.0' },
  load: 0.1,
  nodeOptions: [],
  versions: { nginx: '1.22.1' },
  missing: ['haproxy'],
  failures: ['Memory of something: it ended'],
  finished: false,
  minutes: 3,
  workloads: [
    {
      name: 'small',
      title: 'QIDO-RS of 50 bytes',
      rounds: [
        [sample('caddy', 80_000), sample('http-proxy', 100_000), sample(ours.name, 88_000)],
        [sample('caddy', 160_000), sample('http-proxy', 400_000), sample(ours.name, 176_000)],
        [sample('caddy', 80_000), sample('http-proxy', 160_000), sample(ours.name, 88_000)],
      ],
    },
    {
      name: 'many-up',
      title: 'Sixteen',
      rounds: [[sample('node:http', 1_000_000, 900), sample(ours.name, 900_000, 256)]],
    },
    {
      name: 'down',
      title: 'A study',
      rounds: [[sample('undici', 1_000), sample('http-proxy', 2_000), sample(ours.name, 1_000)]],
    },
  ],
  latency: {
    rate: 200,
    seconds: 8,
    connections: 16,
    rounds: [
      [
        {
          contender: ours.name,
          straight: { p50: 0.5, p99: 1, p999: 2 },
          through: { p50: 0.9, p99: 4.5, p999: 6 },
        },
      ],
    ],
  },
  idle: { connections: 500, rounds: [[{ contender: ours.name, kibibytes: 32.5 }]] },
  curves: [
    { of: 'connections', points: [1, 16], rounds: [[{ contender: ours.name, costs: [100, 114] }]] },
    { of: 'accounts', points: [1, 200], rounds: [[{ contender: ours.name, costs: [100, 116] }]] },
  ],
}
