import { type Results, ratiosOf, verdictsOf, type WorkloadResult } from './results.ts'
import type { Sample } from './rounds.ts'
import { median } from './statistics.ts'
import { table } from './table.ts'

/** The results for people, in Markdown. `own` is the contender that the others are compared with. */
export function reportOf(results: Results, own: string): string {
  const { date, machine, rounds } = results
  const parts = [
    '# Benchmark',
    `${date}; ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB; ${machine.system}; Node ${machine.node}.`,
    `Medians of ${rounds} rounds, in each of which every contender had its turn. Processor time is that of the contender's own process, which says more than throughput where contender, load and upstream share the cores. TLS upstream, certificates verified; our proxy with everything on.`,
    verdictTable(results, own),
    ...results.workloads.map((workload) => workloadTable(workload, own)),
    ...memoryParts(results),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function verdictTable(results: Results, own: string): string {
  const rows = verdictsOf(results, own).map(({ what, figure, target, met }) => [
    what,
    figure,
    target,
    met ? 'met' : 'MISSED',
  ])
  return rows.length === 0 ? '' : `## Targets\n\n${table(['figure', 'measured (range)', 'target', ''], rows)}`
}

function workloadTable({ title, unit, rounds }: WorkloadResult, own: string): string {
  const isRequests = unit === 'request'
  const head = [
    'contender',
    isRequests ? 'CPU µs per request' : 'CPU s per GiB',
    'ours / this (range)',
    isRequests ? 'requests/s' : 'MiB/s',
  ]
  const names = (rounds[0] ?? []).map(({ contender }) => contender)
  const rows = names.map((name) => {
    const samples = rounds.flatMap((round) => round.filter(({ contender }) => contender === name))
    const middle = (figure: (sample: Sample) => number) => median(samples.map(figure))
    const cost = middle(({ cost }) => cost).toFixed(isRequests ? 0 : 2)
    return [name, cost, ratioText(ratiosOf(rounds, own, name)), middle(({ throughput }) => throughput).toFixed(0)]
  })
  return `## ${title}\n\n${table(head, rows)}`
}

function ratioText(ratios: readonly number[]): string {
  if (ratios.length === 0) return ''
  return `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`
}

function memoryParts({ peakMemory, memory = [] }: Results): readonly string[] {
  const peaks = Object.entries(peakMemory).map(([name, mebibytes]) => [name, mebibytes.toFixed(0)])
  const growth = memory.map(({ direction, small, large }) => [direction, list(small), list(large)])
  const head = ['body', '64 MiB', '2 GiB']
  return [
    peaks.length === 0 ? '' : `## Peak memory after all of the above, MiB\n\n${table(['contender', 'peak'], peaks)}`,
    growth.length === 0 ? '' : `## Peak memory of our proxy, one body per fresh process, MiB\n\n${table(head, growth)}`,
  ]
}

function list(values: readonly number[]): string {
  return values.map((value) => value.toFixed(0)).join(', ')
}
