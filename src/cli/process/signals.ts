import { type ExitCode, exitCode } from '../exit-code.ts'
import { leave } from './leave.ts'

const endings = { SIGINT: exitCode.interrupted, SIGTERM: exitCode.terminated, SIGHUP: exitCode.terminated } as const
type Ending = keyof typeof endings

/**
 * Waits until the program is told to end, and resolves with the exit code that says so. From then
 * on a second signal ends it at once. A terminal that is closed tells it, too, also where SIGHUP is
 * a reload.
 */
export function untilEnded(signals: readonly Ending[] = ['SIGINT', 'SIGTERM']): Promise<ExitCode> {
  return new Promise((resolve) => {
    const end = (signal: Ending) => {
      for (const each of signals) process.off(each, end)
      resolve(endings[signal])
    }
    for (const each of signals) process.on(each, end)
    process.stdout.on('error', () => end('SIGTERM'))
  })
}

const parentPollMs = 500

/**
 * npx and npm run a command by a shell, which ends at a signal without passing it on: its end counts
 * as SIGTERM.
 */
export function endWithShellOfNpm(process: NodeJS.Process): void {
  const { npm_lifecycle_event: script } = process.env
  if (script === undefined) return
  const shell = process.ppid
  const poll = setInterval(() => {
    if (process.ppid === shell) return
    clearInterval(poll)
    process.kill(process.pid, 'SIGTERM')
  }, parentPollMs).unref()
}

/** For commands without a reload: a closed terminal must not keep them from clearing away. */
export const hangupEnds: readonly Ending[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** The first signal interrupts; a second one ends the program at once. */
export function interruptedBySignals(): { readonly signal: AbortSignal; exitCode(): ExitCode | null } {
  const controller = new AbortController()
  let code: ExitCode | null = null
  void untilEnded(hangupEnds).then((ending) => {
    code = ending
    controller.abort()
  })
  return { signal: controller.signal, exitCode: () => code }
}

/** Calls back at each SIGHUP, which would end the program otherwise. */
export function onHangup(callback: () => void): void {
  process.on('SIGHUP', callback)
}

/** Calls back at each SIGUSR2, which would end the program otherwise. Windows has no such signal. */
export function onRestart(callback: () => void): void {
  process.on('SIGUSR2', callback)
}

/**
 * Whoever reads the output may have seen enough (`check | head`): that ends the program, unless it
 * has to finish something.
 */
export function exitOnEpipe({ stdout }: Pick<NodeJS.Process, 'stdout'>): void {
  stdout.on('error', () => {
    if (stdout.listenerCount('error') === 1) leave(1)
  })
}
