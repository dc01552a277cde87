import { configurationFiles } from '../../config/read.ts'
import type { Settings } from '../../config/settings.ts'
import { watchFiles } from '../../config/watch-files.ts'
import { createLogger } from '../../observe/logger.ts'
import type { RequestEvent } from '../../observe/request-event.ts'
import { FailedJobs } from '../../orthanc/failed-jobs.ts'
import { UploadOutcomes } from '../../orthanc/upload-outcomes.ts'
import { startFailure } from '../../proxy/listen.ts'
import { type ProxyOptions, type RunningProxy, startProxy } from '../../proxy/proxy.ts'
import { Reload } from '../../proxy/reload.ts'
import { CommandFailure, type ExitCode, exitCode } from '../exit-code.ts'
import { exitSoon, leave } from '../process/leave.ts'
import { onHangup, untilEnded } from '../process/signals.ts'
import { type ConfigurationOptions, configurationPath, loadedSettings, readSettings } from '../settings.ts'
import { logDestination } from './log-destination.ts'
import { Registration } from './orthanc-registration.ts'
import { openTracing } from './tracing.ts'

/** How long (ms) after the grace all else may take that belongs to the end. */
const forcedExitDelayMs = 8_000

/** Runs the proxy until a signal ends it. */
export async function serve(stores: readonly string[], options: ConfigurationOptions): Promise<ExitCode> {
  const { promise: started, resolve: hasStarted } = Promise.withResolvers<Reload>()
  const reload = (trigger: string) => void started.then((reload) => reload.run(trigger))
  const path = configurationPath(options)
  const files = () => (path === undefined ? [] : configurationFiles(path, process.cwd()))
  const watch = watchFiles(files, () => reload('its files have changed'))
  // What changes while it is read is noticed, and read again.
  await watch.ready
  const settings = await readSettings(stores, options)
  const logger = createLogger({ ...settings, destination: logDestination(process) })
  for (const warning of settings.warnings) logger.warn(warning)
  for (const notice of settings.notices) logger.info(notice)

  const ended = untilEnded()
  onHangup(() => reload('SIGHUP'))
  const tracing = await openTracing(process.env, logger)
  const outcomes = new UploadOutcomes()
  const failedJobs = new FailedJobs(outcomes)
  const uploads = {
    record: (event: RequestEvent) => outcomes.record(event),
    of: (name: string) => failedJobs.of(name),
    countsOf: (name: string) => failedJobs.countsOf(name),
  }
  const proxy = await start(settings, { logger, tracing, uploads })
  for (const [account, url] of proxy.accountUrls) logger.info({ account, url }, 'DICOMweb server for Orthanc')
  if (proxy.adminUrl) logger.info({ url: proxy.adminUrl }, 'admin listener')
  const registration = new Registration(settings, proxy.url, { logger, failedJobs })
  const load = () => loadedSettings(stores, options)
  let grace = settings.shutdownGrace
  const onChange = (now: Settings) => {
    grace = now.shutdownGrace
    registration.replace(now)
  }
  const reloading = new Reload(settings, { proxy, logger, load, onChange })
  hasStarted(reloading)

  const code = await ended
  // Exits even if something hangs.
  setTimeout(() => leave(exitCode.failure), grace + forcedExitDelayMs).unref()
  watch.close()
  reloading.end()
  await registration.close()
  logger.info('shutting down; requests in flight may finish, new ones are rejected')
  const aborted = await proxy.close()
  await tracing.close()
  exitSoon()
  if (aborted === 0) {
    logger.info('stopped')
    return code
  }
  logger.error({ aborted }, 'stopped; requests still in flight after ShutdownGrace were aborted')
  return exitCode.failure
}

async function start(settings: Settings, options: ProxyOptions): Promise<RunningProxy> {
  try {
    return await startProxy(settings, options)
  } catch (cause) {
    const { message } = startFailure(cause)
    throw new CommandFailure(message, exitCode.failure, { cause })
  }
}
