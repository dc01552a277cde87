import { orthancSection } from './orthanc/results.ts'
import { type Results, ratiosOf, verdictsOf, type WorkloadResult } from './results.ts'
import type { Sample } from './rounds.ts'
import { median } from './statistics.ts'
import { table } from './table.ts'

/** The results for people, in Markdown. `own` is the contender that the others are compared with. */
export function reportOf(results: Results, own: string): string {
  const { date, machine, nodeOptions, rounds } = results
  const parts = [
    '# Benchmark',
    `${date}; ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB; ${machine.system}; Node ${machine.node}, every contender with ${nodeOptions.join(' ')}.`,
    `Medians of ${rounds} rounds, in each of which every contender had its turn, in a process of its own. The cost is the processor time of that process; it says more than throughput where contender, load and upstream share the cores. TLS upstream, certificates verified; our proxy with everything on.`,
    verdictTable(results, own),
    ...results.workloads.map((workload) => workloadTable(workload, own)),
    memoryTable(results),
    results.orthanc ? orthancSection(results.orthanc) : '',
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
    'peak MiB',
  ]
  const names = (rounds[0] ?? []).map(({ contender }) => contender)
  const rows = names.map((name) => {
    const samples = rounds.flatMap((round) => round.filter(({ contender }) => contender === name))
    const middle = (figure: (sample: Sample) => number) => median(samples.map(figure))
    const cost = middle(({ cost }) => cost).toFixed(isRequests ? 0 : 2)
    const speed = middle(({ throughput }) => throughput).toFixed(0)
    const peak = middle(({ peakMemory }) => peakMemory).toFixed(0)
    return [name, cost, ratioText(ratiosOf(rounds, own, name)), speed, peak]
  })
  return `## ${title}\n\n${table(head, rows)}`
}

function ratioText(ratios: readonly number[]): string {
  if (ratios.length === 0) return ''
  return `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`
}

function memoryTable({ memory = [] }: Results): string {
  if (memory.length === 0) return ''
  const rows = memory.map(({ direction, small, large }) => [direction, list(small), list(large)])
  const title = '## Peak memory of our proxy, one body per fresh process, MiB'
  return `${title}\n\n${table(['body', '64 MiB', '2 GiB'], rows)}`
}

function list(values: readonly number[]): string {
  return values.map((value) => value.toFixed(0)).join(', ')
}
