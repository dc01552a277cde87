import { type ExitCode, exitCode } from './exit-code.ts'

const endings = { SIGINT: exitCode.interrupted, SIGTERM: exitCode.terminated } as const

/**
 * Waits until the program is told to end, and resolves with the exit code that says so. From then on a second signal
 * ends it at once.
 */
export function untilEnded(): Promise<ExitCode> {
  return new Promise((resolve) => {
    const end = (signal: 'SIGINT' | 'SIGTERM') => {
      process.off('SIGINT', end)
      process.off('SIGTERM', end)
      resolve(endings[signal])
    }
    process.on('SIGINT', end)
    process.on('SIGTERM', end)
  })
}

/** Calls back at each SIGHUP, which would end the program otherwise. */
export function onHangup(callback: () => void): void {
  process.on('SIGHUP', callback)
}
