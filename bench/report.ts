import { type Chart, chartsOf, isSmall } from './charts.ts'
import { ours } from './contenders.ts'
import { type Curve, mediansOf, steepness } from './curve.ts'
import type { IdleResult } from './idle.ts'
import { type LatencyResult, latenciesOf } from './latency.ts'
import { orthancSection } from './orthanc/results.ts'
import { reasons } from './reasons.ts'
import type { Results, WorkloadResult } from './results.ts'
import { contendersIn, costPerGiB, costPerRequest, type Sample, samplesOf } from './sample.ts'
import { median } from './statistics.ts'
import { table } from './table.ts'
import { ratiosOf, ratioText, verdictsOf } from './verdicts.ts'

/** The results for people, in Markdown. */
export function reportOf(results: Results): string {
  const charts = chartsOf(results)
  const parts = [
    '# Benchmark',
    headingOf(results),
    'How it is measured: [docs/development/benchmark.md](../../docs/development/benchmark.md).',
    results.finished ? '' : '**This run was not finished.**',
    results.missing.length > 0 ? `Not installed, and so left out: ${results.missing.join(', ')}.` : '',
    ...results.failures.map((failure) => `**Failed: ${failure}**`),
    verdictSection(results),
    ...results.workloads.map((workload) => workloadSection(workload, charts)),
    results.latency ? latencySection(results.latency, charts) : '',
    results.idle ? idleSection(results.idle, charts) : '',
    ...results.curves.map((curve) => curveSection(curve, charts)),
    memorySection(results),
    results.orthanc ? orthancSection(results.orthanc) : '',
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function headingOf({ date, machine, load, nodeOptions, versions, minutes }: Results): string {
  const { processor, cores, memoryGiB, system, node } = machine
  const others = Object.entries(versions).filter(([, version]) => version !== '')
  return [
    `${date}; ${processor}, ${cores} cores, ${memoryGiB} GiB; ${system}; one run of ${minutes.toFixed(0)} minutes; load of the machine before it ${load.toFixed(1)}.`,
    `Node ${node}, for every Node contender with ${nodeOptions.join(' ')}.`,
    others.map(([name, version]) => `${name} ${version}`).join(', '),
  ].join('\n')
}

function verdictSection(results: Results): string {
  const verdicts = verdictsOf(results)
  if (verdicts.length === 0) return ''
  const rows = verdicts.map(({ what, figure, target, met }) => [what, figure, target, met ? 'met' : 'MISSED'])
  const missed = verdicts.filter(({ met }) => !met)
  const why = missed.map(({ name, what }) => `- ${what}: ${reasons[name] ?? 'not explained yet.'}`)
  const section = `## Targets\n\n${table(['figure', 'measured (range)', 'target', ''], rows)}`
  return why.length === 0 ? section : `${section}\n\nWhy targets are missed:\n\n${why.join('\n')}`
}

function workloadSection(workload: WorkloadResult, charts: readonly Chart[]): string {
  const { name, title, rounds } = workload
  const columns = columnsOf(workload)
  const head = ['contender', ...columns.map(([title]) => title), 'ours / this (range)']
  const rows = contendersIn(rounds).map((contender) => {
    const samples = samplesOf(rounds, contender)
    const figures = columns.map(([, figure, digits]) => median(samples.map(figure)).toFixed(digits))
    return [contender, ...figures, ratioText(ratiosOf(rounds, ours.name, contender))]
  })
  const pictures = pictureLinks(charts, `cost-${name}`, `memory-${name}`)
  return section(`${title} (${counted(rounds.length)})`, table(head, rows), pictures)
}

type Column = readonly [title: string, figure: (sample: Sample) => number, digits: number]

/** Of bodies in between, the cost is of interest by the request and by the byte. */
function columnsOf(workload: WorkloadResult): readonly Column[] {
  const [{ bytes, requests } = { bytes: 0, requests: 1 }] = workload.rounds[0] ?? []
  const perRequest: Column = ['CPU µs per request', costPerRequest, 0]
  const perGiB: Column = ['CPU s per GiB', costPerGiB, 2]
  const rate: Column = ['requests/s', ({ requests, seconds }) => requests / seconds, 0]
  const speed: Column = ['MiB/s', ({ bytes, seconds }) => bytes / 1024 ** 2 / seconds, 0]
  const peak: Column = ['peak MiB', ({ peakMemory }) => peakMemory, 0]
  const costs = !isSmall(workload)
    ? [perGiB, speed]
    : bytes / requests < 1024
      ? [perRequest, rate]
      : [perRequest, perGiB, rate, speed]
  return [...costs, peak]
}

function latencySection(latency: LatencyResult, charts: readonly Chart[]): string {
  const { rate, seconds, connections, rounds } = latency
  const rows = contendersIn(rounds).map((name) => {
    const latencies = latenciesOf(latency, name)
    const figures = [latencies?.straight, latencies?.through, latencies?.added]
    return [name, ...figures.flatMap((each) => [each?.p50, each?.p99, each?.p999]).map((ms) => ms?.toFixed(2) ?? '')]
  })
  const percentiles = ['p50', 'p99', 'p99.9']
  const head = [
    'contender',
    ...percentiles.map((each) => `straight ${each}`),
    ...percentiles,
    ...percentiles.map((each) => `added ${each}`),
  ]
  const title = `Latency in ms, QIDO-RS of 50 bytes, ${rate} requests/s over ${connections} connections, ${counted(rounds.length)} of ${seconds} s`
  return section(title, table(head, rows), pictureLinks(charts, 'latency-p50', 'latency-p99'))
}

function idleSection({ connections, rounds }: IdleResult, charts: readonly Chart[]): string {
  const rows = contendersIn(rounds).map((name) => {
    const all = rounds.flatMap((round) => round.filter(({ contender }) => contender === name))
    const figures = all.map(({ kibibytes }) => kibibytes)
    return [name, median(figures).toFixed(1), figures.map((figure) => figure.toFixed(1)).join(', ')]
  })
  const title = `Resident memory of an idle connection, of ${connections}`
  return section(title, table(['contender', 'KiB', 'in the rounds'], rows), pictureLinks(charts, 'idle'))
}

function curveSection(curve: Curve, charts: readonly Chart[]): string {
  const head = ['contender', ...curve.points.map(String), 'highest / lowest']
  const rows = contendersIn(curve.rounds).map((name) => {
    const costs = mediansOf(curve, name)
    return [name, ...costs.map((cost) => cost.toFixed(0)), steepness(costs).toFixed(2)]
  })
  const title = `CPU µs per QIDO-RS of 50 bytes over ${curve.of} (${counted(curve.rounds.length)})`
  return section(title, table(head, rows), pictureLinks(charts, curve.of))
}

function memorySection({ memory = [] }: Results): string {
  if (memory.length === 0) return ''
  const list = (values: readonly number[]) => values.map((value) => value.toFixed(0)).join(', ')
  const rows = memory.map(({ direction, small, large }) => [direction, list(small), list(large)])
  const title = 'Peak memory of our proxy, one body per fresh process, MiB'
  return section(title, table(['body', '64 MiB', '2 GiB'], rows), '')
}

function section(title: string, content: string, pictures: string): string {
  return [`## ${title}`, content, pictures].filter((part) => part !== '').join('\n\n')
}

function pictureLinks(charts: readonly Chart[], ...names: readonly string[]): string {
  const wanted = charts.filter(({ file }) => names.includes(file.replace(/\.svg$/, '')))
  return wanted.map(({ file, title }) => `![${title}](${file})`).join('\n')
}

function counted(rounds: number): string {
  return rounds === 1 ? '1 round' : `${rounds} rounds`
}
