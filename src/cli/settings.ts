import { homedir } from 'node:os'
import { loadSettings } from '../config/load.ts'
import { ConfigurationError } from '../config/problem.ts'
import type { Settings } from '../config/settings.ts'
import { CommandFailure, exitCode } from './exit-code.ts'

export interface ConfigurationOptions {
  readonly config?: string
  readonly listen?: string
  readonly adminListen?: string
}

/** The file or folder that the command line or the environment names; undefined if neither does. */
export function configurationPath({ config }: Pick<ConfigurationOptions, 'config'>): string | undefined {
  // Empty is as good as not set: the container image sets it, and only so can one take it away.
  return config ?? (process.env.GCP_DICOMWEB_PROXY_CONFIG || undefined)
}

/**
 * The settings that the command line, the environment and the files say. Rejects with a
 * ConfigurationError of all problems.
 */
export function loadedSettings(stores: readonly string[], options: ConfigurationOptions): Promise<Settings> {
  const { listen, adminListen } = options
  return loadSettings({
    path: configurationPath(options),
    stores,
    overrides: { listen, adminListen },
    environment: process.env,
    workingDirectory: process.cwd(),
    homeDirectory: homedir(),
  })
}

/**
 * The same for a command that can't go on without them. All problems are told at once, with exit
 * code 2.
 */
export async function readSettings(stores: readonly string[], options: ConfigurationOptions): Promise<Settings> {
  try {
    return await loadedSettings(stores, options)
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    // One problem is one line, for a log that shows lines.
    const separator = error.problems.length + error.notices.length > 1 ? '\n' : ' '
    const note = noteOnVariable(error, options)
    const message = `The configuration can't be used:${separator}${error.message}${note && `.${separator}${note}`}`
    throw new CommandFailure(message, exitCode.usage, { cause: error })
  }
}

/** In a container, nobody may have typed the name that is wrong. */
function noteOnVariable({ problems }: ConfigurationError, options: ConfigurationOptions): string {
  const path = configurationPath(options)
  const isMissing = problems.some((problem) => problem.file === path && problem.path === '')
  if (options.config !== undefined || !isMissing) return ''
  return `The variable GCP_DICOMWEB_PROXY_CONFIG names ${path}: in a container, mount the folder with the configuration there.`
}
