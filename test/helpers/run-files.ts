import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { atLeastOneFailed, countTests, type TestCount } from './tap-summary.ts'

export interface RunOptions {
  /** So many at the same time. */
  readonly jobs: number
  readonly cwd: string
  readonly nodeOptions?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** After so long a file is told to end, and says what it waited for. */
  readonly timeoutMs?: number
  /** For one that cannot end itself. */
  readonly killAfterMs?: number
  /** Ends what runs, and starts nothing more. */
  readonly signal?: AbortSignal
}

export interface FileRun {
  readonly file: string
  /** What the file wrote, in the Test Anything Protocol. */
  readonly output: string
  readonly count: TestCount
  /** Why its process ended as it should not; empty if it did not. */
  readonly broken: string
  readonly durationMs: number
}

/**
 * Runs each test file in a process of its own, and yields it as it ends.
 *
 * tap's own runner loads hooks for coverage and mocks into each test, and into each process that a
 * test starts. We use neither, and they took a third of the processor time of a usual file. It also
 * runs files in the order of their names alone, so that a long one may be left alone at the end.
 */
export async function* runFiles(files: readonly string[], options: RunOptions): AsyncGenerator<FileRun> {
  const waiting = [...files]
  const running = new Map<string, Promise<FileRun>>()
  for (;;) {
    while (running.size < options.jobs && waiting.length > 0 && !options.signal?.aborted) {
      const file = waiting.shift() ?? ''
      running.set(file, runFile(file, options))
    }
    if (running.size === 0) return
    const ended = await Promise.race(running.values())
    running.delete(ended.file)
    yield ended
  }
}

async function runFile(file: string, options: RunOptions): Promise<FileRun> {
  const { cwd, nodeOptions = [], env = process.env, timeoutMs = 600_000, signal } = options
  const { killAfterMs = timeoutMs + 60_000 } = options
  const start = performance.now()
  const child = spawn(process.execPath, [...nodeOptions, file], {
    cwd,
    // Of tap: with an id it leaves out the totals of a whole run. The time limit is ours.
    env: { ...env, TAP: '1', TAP_CHILD_ID: '1', TAP_TIMEOUT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const end = () => child.kill()
  // By this signal tap knows that a test takes too long.
  const timers = [
    setTimeout(() => child.kill('SIGALRM'), timeoutMs),
    setTimeout(() => child.kill('SIGKILL'), killAfterMs),
  ]
  signal?.addEventListener('abort', end)
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  const [exitCode, killedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  for (const timer of timers) clearTimeout(timer)
  signal?.removeEventListener('abort', end)
  const count = countTests(output)
  const broken = brokenBy(count, exitCode, killedBy)
  return {
    file,
    output,
    count: broken ? atLeastOneFailed(count) : count,
    broken,
    durationMs: performance.now() - start,
  }
}

function brokenBy(count: TestCount, exitCode: number | null, killedBy: NodeJS.Signals | null): string {
  if (killedBy) return `ended by ${killedBy}`
  const saysSo = exitCode === 1 && count.failed > 0
  return exitCode === 0 || saysSo ? '' : `ended with exit code ${exitCode}`
}

/** As a subtest of the whole run. */
export function asSubtest(number: number, { file, output, count, broken, durationMs }: FileRun): string {
  const isOk = count.failed === 0
  const body = output.replace(/^TAP version 14\n/, '').replace(/^(?=.)/gm, '    ')
  const why = broken ? `  ---\n  broken: ${broken}\n  ...\n` : ''
  return `# Subtest: ${file}\n${body}${isOk ? 'ok' : 'not ok'} ${number} - ${file} # time=${durationMs.toFixed()}ms\n${why}\n`
}
