import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Of Node: set by `npm test`. To compile all modules is most of the work of a start. */
const { NODE_COMPILE_CACHE = '' } = process.env
export const compileCache: Record<string, string> = NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE } : {}

export interface StartOptions {
  /** The program's first file; by default, of this checkout. */
  readonly program?: string
  readonly workingDirectory?: string
}

/**
 * Runs the program as a user would, without anything of this machine's Google set-up. It ends with
 * the test.
 *
 * @param options of Node: the variable NODE_OPTIONS is taken by tap
 */
export function startProgram(
  t: Test,
  args: readonly string[],
  env: Record<string, string> = {},
  options: readonly string[] = [],
  { program = main, workingDirectory }: StartOptions = {},
) {
  const folder = t.testdirName
  const child = spawn(process.execPath, ['--disable-warning=DEP0060', ...options, program, ...args], {
    ...(workingDirectory !== undefined && { cwd: workingDirectory }),
    env: {
      ...compileCache,
      PATH: process.env.PATH ?? '',
      HOME: folder,
      GCP_DICOMWEB_PROXY_COMMAND: 'gcp-dicomweb-proxy',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk
    })
  }
  return { child, output: () => output }
}

/** The exit code, once it has ended. */
export async function ended(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
  return child.exitCode
}
