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

/** The settings that the command line, the environment and the files say. All problems are told at once, with exit code 2. */
export function readSettings(
  stores: readonly string[],
  { config, listen, adminListen }: ConfigurationOptions,
): Settings {
  try {
    return loadSettings({
      path: config ?? process.env.GCP_DICOMWEB_PROXY_CONFIG,
      stores,
      overrides: { listen, adminListen },
      environment: process.env,
      workingDirectory: process.cwd(),
      homeDirectory: homedir(),
    })
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    throw new CommandFailure(`The configuration can't be used:\n${error.message}`, exitCode.usage, { cause: error })
  }
}
