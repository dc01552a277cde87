import { median } from '../statistics.ts'
import { table } from '../table.ts'
import type { Verdict } from '../verdict.ts'

/** How long a real Orthanc takes for the same, straight to a store and through our proxy. */
export interface OrthancResult {
  /** Of the machine, over one minute, as the rounds began. */
  readonly load: number
  readonly tasks: readonly OrthancTask[]
}

export interface OrthancTask {
  readonly title: string
  readonly rounds: readonly OrthancRound[]
}

/** Milliseconds. */
export interface OrthancRound {
  readonly direct: number
  readonly through: number
  /** Processor time of the proxy's process. */
  readonly cpu: number
}

/** What sending through the proxy may take of what it takes without. */
const atMost = 1.05

export function orthancVerdicts({ tasks }: OrthancResult): readonly Verdict[] {
  return tasks
    .filter(({ title }) => title.startsWith('STOW-RS'))
    .map(({ title, rounds }) => {
      const middle = median(ratiosOf(rounds))
      const figure = ratioText(rounds)
      return {
        name: `orthanc/${title}`,
        what: `Orthanc, ${title}: time of direct`,
        figure,
        target: `at most ${atMost}`,
        met: middle <= atMost,
      }
    })
}

export function orthancSection({ load, tasks }: OrthancResult): string {
  const head = ['Orthanc', 'direct, ms', 'through, ms', 'through / direct (range)', 'CPU ms of the proxy']
  const rows = tasks.map(({ title, rounds }) => {
    const middle = (figure: keyof OrthancRound) => median(rounds.map((round) => round[figure])).toFixed(0)
    return [title, middle('direct'), middle('through'), ratioText(rounds), middle('cpu')]
  })
  const text = `A real Orthanc and its DICOMweb plugin: "direct" to a TLS store with the token pasted in, "through" our proxy to the same store. Medians of ${tasks[0]?.rounds.length} rounds, time of the HTTP exchanges by Orthanc's own log; load of the machine at their start ${load.toFixed(1)}.`
  return `## With a real Orthanc\n\n${text}\n\n${table(head, rows)}`
}

function ratiosOf(rounds: readonly OrthancRound[]): readonly number[] {
  return rounds.map(({ direct, through }) => through / direct)
}

function ratioText(rounds: readonly OrthancRound[]): string {
  const ratios = ratiosOf(rounds)
  return `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`
}
