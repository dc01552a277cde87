import { isDeepStrictEqual } from 'node:util'
import { ConfigurationError } from '../config/problem.ts'
import type { Settings } from '../config/settings.ts'
import type { Logger } from '../observe/logger.ts'
import type { RunningProxy } from './proxy.ts'
import { StartFailure } from './start-failure.ts'

interface Parts {
  readonly proxy: Pick<RunningProxy, 'accountUrls' | 'reload'>
  readonly logger: Logger
  /** Reads and checks the whole configuration; rejects with a ConfigurationError. */
  readonly load: () => Promise<Settings>
  /** Told of the settings that have been put in force. */
  readonly onChange: (settings: Settings) => void
}

/** Gives a running proxy its configuration anew. Whatever is wrong with it is told in the log, and nothing changes. */
export class Reload {
  readonly #parts: Parts
  /** What was read last and could be used. */
  #read: Settings
  #ended = false
  /** One after another. */
  #running = Promise.resolve()

  constructor(running: Settings, parts: Parts) {
    this.#parts = parts
    this.#read = running
  }

  /** From here on nothing is read any more: the proxy ends. */
  end(): void {
    this.#ended = true
  }

  /** @param why for the log */
  run(why: string): void {
    this.#running = this.#running.then(() => this.#run(why)).catch((error: unknown) => this.#reject(why, error))
  }

  async #run(why: string): Promise<void> {
    if (this.#ended) return
    const { load, logger, proxy, onChange } = this.#parts
    const wanted = await load()
    // It may have taken its time.
    if (this.#ended) return
    if (isDeepStrictEqual({ ...wanted, readAt: 0 }, { ...this.#read, readAt: 0 })) {
      logger.info({ why }, 'configuration read again: nothing has changed')
      return
    }
    const { settings, accounts, needsRestart } = proxy.reload(wanted)
    onChange(settings)
    for (const warning of wanted.warnings) if (!this.#read.warnings.includes(warning)) logger.warn(warning)
    for (const notice of wanted.notices) if (!this.#read.notices.includes(notice)) logger.info(notice)
    this.#read = wanted
    logger.info({ why, ...accounts }, 'configuration read again: it is in force from the next request on')
    for (const account of accounts.added) {
      logger.info({ account, url: proxy.accountUrls.get(account) }, 'DICOMweb server for Orthanc')
    }
    if (needsRestart.length > 0) {
      logger.warn({ keys: needsRestart }, 'some keys have changed that only a restart puts in force')
    }
  }

  #reject(why: string, error: unknown): void {
    const { logger } = this.#parts
    const message = 'the configuration cannot be used: the old one stays in force'
    if (error instanceof ConfigurationError) {
      for (const { file, path, message: problem } of error.problems) logger.error({ why, file, path, problem }, message)
      for (const note of error.notices) logger.info(note)
    } else if (error instanceof StartFailure) {
      logger.error({ why, problem: error.message }, message)
    } else {
      logger.error({ why, err: error }, message)
    }
  }
}
