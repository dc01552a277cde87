import { spawnSync } from 'node:child_process'

interface RunOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
}

/** Runs a program to its end, and returns what it printed. Throws if it fails, with its words. */
export function run(program: string, args: readonly string[], { cwd, env = process.env }: RunOptions = {}): string {
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, {
    ...(cwd !== undefined && { cwd }),
    env,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (error) throw new Error(`${program} can't be run: ${error.message}`)
  if (status === 0) return stdout
  throw new Error(`${[program, ...args].join(' ')} ended with ${status ?? signal}:\n${stdout}${stderr}`)
}
