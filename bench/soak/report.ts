import type { Machine } from '../machine.ts'
import { table } from '../table.ts'
import type { Footprint } from './footprint-probe.ts'
import type { SoakResult } from './soak.ts'
import { verdictsOf } from './verdicts.ts'

export interface SoakRecord extends SoakResult {
  readonly date: string
  readonly machine: Machine
  /** Of the last minute, over all cores, at the start: what else the machine was doing. */
  readonly loadBefore: number
}

const MiB = 1024 ** 2

/** The result for people, in Markdown. */
export function soakReport(record: SoakRecord): string {
  const { date, machine, loadBefore, minutes, seed, clients, accounts, requests } = record
  const { processor, cores, memoryGiB, system, node } = machine
  const parts = [
    '# Soak',
    `${date}; ${processor}, ${cores} cores, ${memoryGiB} GiB; ${system}; Node ${node}. Load of the machine before it began: ${loadBefore.toFixed(1)}. Proxy, emulator and clients share the machine.`,
    `${minutes} minutes of ${clients} clients on ${accounts} accounts, one for each kind of credential, two of which send uploads in batches and compare what is refused, while the emulator failed at random all the time; ${requests} requests with the warm-up. Seed ${seed}.`,
    table(
      ['what must hold', 'found', ''],
      verdictsOf(record).map(({ what, found, held }) => [what, found, held ? 'held' : 'BROKEN']),
    ),
    '## Requests, and how they ended for the client',
    countersTable(record),
    `Statuses are those of complete responses. *broken*: the connection was reset before a response; *broken in*: in the middle of one. *left*: the client disconnected.`,
    '## The proxy at rest',
    footprintTable([record.before, record.midway, record.after]),
    violations(record),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function countersTable({ counts }: SoakResult): string {
  const ends = [...new Set(Object.values(counts).flatMap(Object.keys))].sort()
  const rows = Object.entries(counts).sort(([one], [other]) => one.localeCompare(other))
  return table(
    ['request', ...ends],
    rows.map(([what, found]) => [what, ...ends.map((end) => String(found[end] ?? ''))]),
  )
}

function footprintTable(footprints: readonly Footprint[]): string {
  const mebibytes = (bytes: number) => `${(bytes / MiB).toFixed(1)} MiB`
  const kinds = [...new Set(footprints.flatMap(({ resources }) => Object.keys(resources)))].sort()
  const row = (what: string, of: (footprint: Footprint) => string) => [what, ...footprints.map(of)]
  return table(
    ['', 'after the warm-up', 'in the middle', 'after the end'],
    [
      row('open sockets', ({ sockets }) => String(sockets)),
      row('other file descriptors', ({ otherDescriptors }) => String(otherDescriptors)),
      ...kinds.map((kind) => row(`active: ${kind}`, ({ resources }) => String(resources[kind] ?? 0))),
      row('heap in use', ({ heap }) => mebibytes(heap)),
      row('buffers', ({ buffers }) => mebibytes(buffers)),
      row('resident memory', ({ resident }) => mebibytes(resident)),
    ],
  )
}

const maxShown = 30

function violations({ violations }: SoakResult): string {
  if (violations.length === 0) return ''
  const shown = violations.slice(0, maxShown).map((sentence) => `- ${sentence}`)
  return ['## What broke', ...shown, `${violations.length} in all.`].join('\n')
}
