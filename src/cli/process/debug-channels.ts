import { leave } from './leave.ts'

/**
 * Variables that make packages print what they send and receive; each package reads its own when it
 * is loaded.
 */
const ofPackages = ['DEBUG', 'GOOGLE_SDK_NODE_LOGGING']
/** Those of Node, which has read them already. */
const ofNode = ['NODE_DEBUG', 'NODE_DEBUG_NATIVE']
/** Also those that open the memory to others, or have Node print what an error holds. */
const options =
  /^--(?:trace-tls|tls-keylog|inspect|heapsnapshot|heap-prof|report-on|report-uncaught|trace-event|unhandled-rejections|trace-uncaught)/

/**
 * Turns off what would print access tokens, passwords or patients' data around the log. Must run
 * before packages are loaded.
 *
 * @returns a sentence on what can't be turned off from within; null if there is nothing of the kind
 */
export function silenceDebugChannels({ env, execArgv }: Pick<NodeJS.Process, 'env' | 'execArgv'>): string | null {
  for (const name of ofPackages) delete env[name]
  const given = [...execArgv, ...(env.NODE_OPTIONS ?? '').split(/\s+/)].map(asNodeReads)
  const found = [...ofNode.filter((name) => env[name]), ...given.filter((option) => options.test(option))]
  const [first] = found
  if (first === undefined) return null
  return `${first.replace(/=.*/, '')} would show access tokens, passwords and patients' data: take it out of the environment or the command line. HttpVerbose logs each exchange without them.`
}

/**
 * A sentence if Node's inspector is open all the same: by a configuration file of Node's, or by a
 * SIGUSR1 that came before the program could listen for it. Null if it is not.
 */
export async function openInspector(): Promise<string | null> {
  if (!process.features.inspector) return null
  const { url } = await import('node:inspector')
  if (url() === undefined) return null
  return "Node's inspector is open, and would show access tokens, passwords and patients' data: start the program without it."
}

/** Node takes underscores for hyphens, and quotation marks in NODE_OPTIONS. */
function asNodeReads(option: string): string {
  const [name = '', ...value] = option.replaceAll(/["']/g, '').split('=')
  return [name.replaceAll('_', '-'), ...value].join('=')
}

/**
 * Crash reports have no environment, where secrets may be, and say of an error only what it is and
 * where.
 */
export function redactCrashOutput(describe: (error: unknown) => string): void {
  if (process.report) process.report.excludeEnv = true
  process.on('uncaughtException', (error) => {
    process.stderr.write(`Unexpected failure, please report it: ${describe(error)}\n`)
    leave(1)
  })
}
