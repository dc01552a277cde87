import { ours } from './contenders.ts'
import { type Curve, mediansOf } from './curve.ts'
import { type LatencyResult, latenciesOf } from './latency.ts'
import type { Results, WorkloadResult } from './results.ts'
import { contendersIn, costPerGiB, costPerRequest, type Sample, samplesOf } from './sample.ts'
import { median } from './statistics.ts'
import { barChart } from './svg/bars.ts'
import { lineChart } from './svg/lines.ts'

export interface Chart {
  readonly file: string
  readonly title: string
  readonly svg: string
}

/** Pictures of what was measured of several contenders. */
export function chartsOf({ workloads, latency, idle, curves }: Results): readonly Chart[] {
  return [
    ...workloads.map(costChart),
    ...workloads.filter(({ name }) => name === 'slow' || name.startsWith('many-')).map(peakChart),
    ...(latency ? [latencyChart(latency, 'p50', 'median'), latencyChart(latency, 'p99', '99th percentile')] : []),
    ...(idle
      ? [
          bars(
            'idle',
            'Resident memory of an idle connection',
            'KiB per connection',
            contendersIn(idle.rounds),
            (name) =>
              median(
                idle.rounds.flatMap((round) =>
                  round.filter(({ contender }) => contender === name).map(({ kibibytes }) => kibibytes),
                ),
              ),
          ),
        ]
      : []),
    ...curves.map(curveChart),
  ]
}

/** By the request, or, of large bodies, by their bytes. */
export function isSmall({ rounds }: WorkloadResult): boolean {
  const [{ bytes, requests } = { bytes: 0, requests: 1 }] = rounds[0] ?? []
  return bytes / requests <= 1024 ** 2
}

function costChart(workload: WorkloadResult): Chart {
  const [cost, axis] = isSmall(workload)
    ? [costPerRequest, 'processor time per request, µs']
    : [costPerGiB, 'processor time per GiB, s']
  return sampleBars(`cost-${workload.name}`, workload.title, axis, workload, cost)
}

function peakChart(workload: WorkloadResult): Chart {
  const title = `${workload.title}: memory`
  return sampleBars(`memory-${workload.name}`, title, 'peak resident memory, MiB', workload, (each) => each.peakMemory)
}

function sampleBars(
  name: string,
  title: string,
  axis: string,
  { rounds }: WorkloadResult,
  figure: (sample: Sample) => number,
): Chart {
  return bars(name, title, axis, contendersIn(rounds), (contender) => median(samplesOf(rounds, contender).map(figure)))
}

function latencyChart(latency: LatencyResult, key: 'p50' | 'p99', what: string): Chart {
  const title = `Latency added at ${latency.rate} requests/s: ${what}`
  return bars(
    `latency-${key}`,
    title,
    'ms',
    contendersIn(latency.rounds),
    (name) => latenciesOf(latency, name)?.added[key] ?? 0,
  )
}

function bars(
  name: string,
  title: string,
  axis: string,
  names: readonly string[],
  value: (name: string) => number,
): Chart {
  const all = names.map((label) => ({ label, value: value(label), own: label === ours.name }))
  return { file: `${name}.svg`, title, svg: barChart({ title, axis, bars: all }) }
}

function curveChart(curve: Curve): Chart {
  const title = `QIDO-RS of 50 bytes over the number of ${curve.of}`
  const lines = contendersIn(curve.rounds).map((label) => ({
    label,
    values: mediansOf(curve, label),
    own: label === ours.name,
  }))
  const axes = { xAxis: curve.of, yAxis: 'processor time per request, µs', xs: curve.points }
  return { file: `${curve.of}.svg`, title, svg: lineChart({ title, ...axes, lines }) }
}
