import { isDeepStrictEqual } from 'node:util'
import { ConfigurationError } from '../config/problem.ts'
import type { Settings } from '../config/settings.ts'
import type { Logger } from '../observe/logger.ts'
import { StartFailure } from './listen.ts'
import type { RunningProxy } from './proxy.ts'

interface ReloadOptions {
  readonly proxy: Pick<RunningProxy, 'accountUrls' | 'reload' | 'reloads'>
  readonly logger: Logger
  /** Reads and validates the whole configuration; rejects with a ConfigurationError. */
  readonly load: () => Promise<Settings>
  /** Called with the applied settings. */
  readonly onChange: (settings: Settings) => void
}

/** How often a configuration that was rejected is read again. */
const retryIntervalMs = 2_000
const corrected = 'what was wrong has been corrected'

/**
 * Reloads the configuration of a running proxy. If it is invalid, the problems are logged and
 * nothing changes. It is then read again until it can be used: what was wrong may be in a file that
 * it names, which nobody watches.
 */
export class Reload {
  readonly #options: ReloadOptions
  /** The last valid configuration. */
  #current: Settings
  #ended = false
  #retry: NodeJS.Timeout | null = null
  /** Reloads run one after another. */
  #running = Promise.resolve()

  constructor(running: Settings, options: ReloadOptions) {
    this.#options = options
    this.#current = running
  }

  /** Ignores further reloads while the proxy stops. */
  end(): void {
    this.#ended = true
    this.#stopRetrying()
  }

  /** @param trigger what caused the reload, for the log */
  run(trigger: string): void {
    this.#running = this.#running.then(() => this.#run(trigger)).catch((error: unknown) => this.#reject(trigger, error))
  }

  /** @param problems what was logged, and need not be again */
  #retryUntilUsable(problems: string): void {
    this.#stopRetrying()
    if (this.#ended) return
    const retry = () => {
      this.#running = this.#running
        .then(() => this.#run(corrected))
        .catch((error: unknown) => {
          if (error instanceof Error && error.message === problems) this.#retryUntilUsable(problems)
          else this.#reject('its problems have changed', error)
        })
    }
    this.#retry = setTimeout(retry, retryIntervalMs).unref()
  }

  #stopRetrying(): void {
    if (this.#retry) clearTimeout(this.#retry)
    this.#retry = null
  }

  async #run(trigger: string): Promise<void> {
    if (this.#ended) return
    const { load, logger, proxy, onChange } = this.#options
    const desired = await load()
    // The proxy may have begun to stop meanwhile.
    if (this.#ended) return
    if (isDeepStrictEqual({ ...desired, readAt: 0 }, { ...this.#current, readAt: 0 })) {
      this.#succeed()
      logger.info({ trigger }, 'configuration read again; nothing changed')
      return
    }
    const { settings, accounts, needsRestart } = await proxy.reload(desired)
    onChange(settings)
    for (const warning of desired.warnings) if (!this.#current.warnings.includes(warning)) logger.warn(warning)
    for (const notice of desired.notices) if (!this.#current.notices.includes(notice)) logger.info(notice)
    this.#current = desired
    this.#succeed()
    logger.info({ trigger, ...accounts }, 'configuration reloaded; it applies from the next request on')
    for (const account of accounts.added) {
      logger.info({ account, url: proxy.accountUrls.get(account) }, 'DICOMweb server for Orthanc')
    }
    if (needsRestart.length > 0) {
      logger.warn({ keys: needsRestart }, 'some changed keys take effect only after a restart')
    }
  }

  /** The clients' file is read with the configuration. */
  #succeed(): void {
    this.#stopRetrying()
    this.#options.proxy.reloads.succeed('configuration', 'ClientsFile')
  }

  #reject(trigger: string, error: unknown): void {
    const { logger, proxy } = this.#options
    const isKnown = error instanceof ConfigurationError || error instanceof StartFailure
    proxy.reloads.reject('configuration', isKnown ? error.message : 'It failed unexpectedly: the log says how.')
    if (isKnown) this.#retryUntilUsable(error.message)
    else this.#stopRetrying()
    const message = 'configuration rejected; keeping the current one'
    if (error instanceof ConfigurationError) {
      for (const { file, path, problem, remedy } of error.problems) {
        logger.error({ trigger, file, path, problem, remedy }, message)
      }
      for (const note of error.notices) logger.info(note)
    } else if (error instanceof StartFailure) {
      logger.error({ trigger, problem: error.message }, message)
    } else {
      logger.error({ trigger, err: error }, message)
    }
  }
}
