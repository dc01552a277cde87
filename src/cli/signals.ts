import { type ExitCode, exitCode } from './exit-code.ts'
import { leave } from './leave.ts'

const exitCodes = { SIGINT: exitCode.interrupted, SIGTERM: exitCode.terminated } as const

/**
 * Waits until the program is told to end, and resolves with the exit code that says so. From then
 * on a second signal ends it at once. A terminal that is closed tells it, too: its SIGHUP alone
 * would be a reload.
 */
export function untilEnded(): Promise<ExitCode> {
  return new Promise((resolve) => {
    const end = (signal: 'SIGINT' | 'SIGTERM') => {
      process.off('SIGINT', end)
      process.off('SIGTERM', end)
      resolve(exitCodes[signal])
    }
    process.on('SIGINT', end)
    process.on('SIGTERM', end)
    process.stdout.on('error', () => end('SIGTERM'))
  })
}

/** Calls back at each SIGHUP, which would end the program otherwise. */
export function onHangup(callback: () => void): void {
  process.on('SIGHUP', callback)
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
