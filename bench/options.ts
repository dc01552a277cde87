import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

const measurements = ['small', 'down', 'up', 'memory', 'refresh', 'orthanc']

export interface Options {
  /** Names of workloads, and `memory`, `refresh` and `orthanc`; empty: all. */
  readonly only: readonly string[]
  /** Names of contenders; empty: all. */
  readonly contenders: readonly string[]
  readonly rounds: number
  readonly requests: number
  readonly connections: number
  readonly mebibytes: number
  /** Folder for V8 profiles of all contenders. */
  readonly profile: string | undefined
  /** For Node, the same for all contenders. */
  readonly nodeOptions: readonly string[]
  /** The results go into the repository only if everything was run as it is by default. */
  readonly keep: boolean
}

export const usage = `npm run bench -- [options]
  --only small,down,up,memory,refresh,orthanc   some of the measurements
  --contenders NAME,...                 some of the contenders
  --rounds 7  --requests 15000  --connections 16  --mebibytes 512
  --node-options="..."                  for Node, the same for all contenders
  --profile FOLDER                      write V8 processor profiles of the contenders there
Without options, the results are written to bench/results.
`

export function readOptions(args: string[], contenderNames: readonly string[]): Options {
  const text = (value: string) => ({ type: 'string', default: value }) as const
  const { values } = parseArgs({
    args,
    options: {
      only: text(''),
      contenders: text(''),
      rounds: text('7'),
      requests: text('15000'),
      connections: text('16'),
      mebibytes: text('512'),
      'node-options': text(''),
      profile: { type: 'string' },
    },
  })
  return {
    only: list(values.only, measurements),
    contenders: list(values.contenders, contenderNames),
    rounds: number(values.rounds),
    requests: number(values.requests),
    connections: number(values.connections),
    mebibytes: number(values.mebibytes),
    nodeOptions: values['node-options'].split(' ').filter((option) => option !== ''),
    profile: values.profile && resolve(values.profile),
    keep: args.length === 0,
  }
}

function list(value: string, known: readonly string[]): readonly string[] {
  const names = value.split(',').filter((name) => name !== '')
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new Error(`Unknown: ${unknown.join(', ')}. Known: ${known.join(', ')}`)
  return names
}

function number(value: string): number {
  if (/^[1-9]\d*$/.test(value)) return Number(value)
  throw new Error(`Not a number from 1 up: ${value}`)
}
