import { execFile } from 'node:child_process'
import type { Environment } from '../../config/variables.ts'

const timeoutMs = 10_000

/**
 * Tells systemd about this service, if it wants to know (sd_notify(3)). Node has no sockets for it,
 * but wherever systemd is, there is its command. It returns when systemd has read the message.
 *
 * Resolves with null, or with a sentence on why it could not be told.
 */
export function notifyServiceManager(environment: Environment, ...states: readonly string[]): Promise<string | null> {
  if (!hasServiceManager(environment)) return Promise.resolve(null)
  return new Promise((resolve) => {
    execFile('systemd-notify', states, { timeout: timeoutMs }, (error, _output, words) => {
      if (!error) resolve(null)
      else if (error.code === 'ENOENT') resolve('systemd-notify is not installed: it is in the package systemd.')
      else resolve(`systemd-notify failed: ${words.trim() || error.message}`)
    })
  })
}

/** Whether systemd starts this service again when its main process ends. */
export function hasServiceManager({ NOTIFY_SOCKET }: Environment): boolean {
  return Boolean(NOTIFY_SOCKET)
}

/**
 * Why this process can't be followed by another one as the service's main process; null if it can,
 * or if nothing watches it.
 */
export function whyNotReplaceable({ pid, env }: Pick<NodeJS.Process, 'pid' | 'env'>): string | null {
  if (pid === 1) return 'This is the first process of a container, which ends with it: replace the container instead.'
  if (env.SYSTEMD_EXEC_PID === String(pid) && !env.NOTIFY_SOCKET)
    return 'systemd would take the end of this process for the end of the service: set Type=notify and NotifyAccess=all in its unit, and restart it once.'
  return null
}
