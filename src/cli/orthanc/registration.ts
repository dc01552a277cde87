import type { Settings } from '../../config/settings.ts'
import type { Logger } from '../../observe/logger.ts'
import { CommandFailure } from '../exit-code.ts'
import { keepInOrthanc, notRegistered, type OrthancRegistration } from './keep.ts'

/** Keeps the accounts registered in Orthanc as the current configuration says. */
export class Registration {
  readonly #url: string
  readonly #logger: Logger
  #keeping: Promise<OrthancRegistration>

  /** @param url of the data listener, as it was opened */
  constructor(settings: Settings, url: string, logger: Logger) {
    this.#url = url
    this.#logger = logger
    this.#keeping = Promise.resolve(keepInOrthanc(settings, url, logger))
  }

  /** The one before ends first: it must not write what is not desired any more. */
  replace(settings: Settings): void {
    this.#keeping = this.#keeping
      .then(async (before) => {
        await before.close()
        return keepInOrthanc(settings, this.#url, this.#logger, before)
      })
      .catch((error: unknown) => {
        const reason = error instanceof CommandFailure ? { reason: error.message } : { err: error }
        this.#logger.error(reason, 'the accounts are not kept registered in Orthanc any more')
        return notRegistered
      })
  }

  async close(): Promise<void> {
    await (await this.#keeping).close()
  }
}
