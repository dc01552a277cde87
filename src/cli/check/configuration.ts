import { homedir } from 'node:os'
import { type LoadOptions, loadSettings } from '../../config/load.ts'
import { type ConfigProblem, ConfigurationError } from '../../config/problem.ts'
import type { Settings } from '../../config/settings.ts'
import { DiagnosedError } from '../../errors.ts'
import type { Checklist } from './checklist.ts'

/**
 * Reads the configuration as `serve` would. Null if it can't be used: each problem is then a check
 * that failed.
 */
export async function checkConfiguration(list: Checklist, options: LoadOptions): Promise<Settings | null> {
  const item = { layer: 'configuration', subject: null, title: 'Configuration' } as const
  const loaded: { settings: Settings | null; more: readonly ConfigProblem[] } = { settings: null, more: [] }
  await list.check(item, async () => {
    try {
      loaded.settings = await loadSettings(options)
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error
      const [first, ...more] = error.problems
      loaded.more = more
      if (first) throw diagnose(first)
    }
    const names = loaded.settings?.accounts.map(({ name }) => name) ?? []
    const from = options.path ?? 'the command line'
    return `${from}: ${names.length === 1 ? 'account' : 'accounts'} ${names.join(', ')}`
  })
  for (const problem of loaded.more) await list.check(item, () => Promise.reject(diagnose(problem)))
  return loaded.settings
}

/** Where files and variables are looked for, from the process. */
export function loadContext(): Pick<LoadOptions, 'environment' | 'workingDirectory' | 'homeDirectory'> {
  return { environment: process.env, workingDirectory: process.cwd(), homeDirectory: homedir() }
}

function diagnose({ file, path, problem, remedy }: ConfigProblem): DiagnosedError {
  const place = [file, path].filter((part) => part !== '').join(': ')
  return new DiagnosedError({
    code: 'configuration',
    problem: `${place}: ${problem}.`,
    remedy: remedy === '' ? correct : `${remedy.charAt(0).toUpperCase()}${remedy.slice(1)}`,
  })
}

const correct =
  'Correct it there: docs/configuration.md explains each key, and an editor with config/schema.json shows the place.'
