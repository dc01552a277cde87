import type { Settings } from '../../config/settings.ts'
import { readTls } from '../../config/tls.ts'
import type { Logger } from '../../observe/logger.ts'
import type { RunningProxy } from '../proxy.ts'
import { Primary } from './primary.ts'

/**
 * The proxy with its data listener in worker processes, and all the rest in this one (docs/adr/0027). Rejects with a
 * CommandFailure when a worker can't serve.
 */
export async function startWorkers(settings: Settings, logger: Logger): Promise<RunningProxy> {
  const primary = new Primary(settings, settings.tls && (await readTls(settings.tls)), logger)
  try {
    await primary.start()
    return primary
  } catch (error) {
    await primary.close()
    throw error
  }
}
