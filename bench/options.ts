import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

export interface Options {
  /** Names of measurements; empty: all. */
  readonly only: readonly string[]
  /** Names of contenders; empty: all. */
  readonly contenders: readonly string[]
  /** Of every measurement; undefined: each has its own number. */
  readonly rounds: number | undefined
  /** Another checkout of this project, which takes part as `before`. */
  readonly before: string | undefined
  readonly requests: number
  readonly connections: number
  readonly mebibytes: number
  /** Of each of the bodies of our proxy where sixteen pass at once. */
  readonly manyMebibytes: number
  /** Of the latency at a fixed rate, for each contender in each round. */
  readonly seconds: number
  /** Executable that the Node contenders run with. */
  readonly node: string
  /** For Node, the same for all contenders. */
  readonly nodeOptions: readonly string[]
  /** Folder for V8 profiles of all Node contenders. */
  readonly profile: string | undefined
  /** Folder for the results; undefined: they are only shown. */
  readonly results: string | undefined
}

export function usageText(measurements: readonly string[], contenders: readonly string[]): string {
  return `npm run bench -- [options]
  --only NAME,...          some of the measurements: ${measurements.join(', ')}
  --contenders NAME,...    some of the contenders: ${contenders.join(', ')}
  --rounds N               of everything; by default each measurement has its own number
  --before FOLDER          another checkout of this project takes part, named before
  --requests 15000  --connections 16  --mebibytes 1024  --many-mebibytes 1024  --seconds 8
  --node BINARY            Node for the Node contenders
  --node-options="..."     for Node, the same for all contenders
  --profile FOLDER         write V8 processor profiles of the Node contenders there
  --results FOLDER         write the results there
Without options, the results are written to bench/results.
`
}

export function readOptions(
  args: string[],
  measurements: readonly string[],
  contenderNames: readonly string[],
): Options {
  const text = (value: string) => ({ type: 'string', default: value }) as const
  const { values } = parseArgs({
    args,
    options: {
      only: text(''),
      contenders: text(''),
      rounds: { type: 'string' },
      before: { type: 'string' },
      requests: text('15000'),
      connections: text('16'),
      mebibytes: text('1024'),
      'many-mebibytes': text('1024'),
      seconds: text('8'),
      node: text(process.execPath),
      'node-options': text(''),
      profile: { type: 'string' },
      results: { type: 'string' },
    },
  })
  return {
    only: list(values.only, measurements),
    contenders: list(values.contenders, contenderNames),
    rounds: values.rounds === undefined ? undefined : number(values.rounds),
    before: values.before,
    requests: number(values.requests),
    connections: number(values.connections),
    mebibytes: number(values.mebibytes),
    manyMebibytes: number(values['many-mebibytes']),
    seconds: number(values.seconds),
    node: values.node,
    nodeOptions: values['node-options'].split(' ').filter((option) => option !== ''),
    profile: values.profile && resolve(values.profile),
    results: args.length === 0 ? `${import.meta.dirname}/results` : values.results && resolve(values.results),
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
