import { configurationFiles } from '../../config/read.ts'
import type { Settings } from '../../config/settings.ts'
import { watchFiles } from '../../config/watch-files.ts'
import { createLogger, type Logger } from '../../observe/logger.ts'
import type { RequestEvent } from '../../observe/request-event.ts'
import { FailedJobs } from '../../orthanc/failed-jobs.ts'
import { UploadOutcomes } from '../../orthanc/upload-outcomes.ts'
import { startFailure } from '../../proxy/listen.ts'
import { type ProxyOptions, type RunningProxy, startProxy } from '../../proxy/proxy.ts'
import { Reload } from '../../proxy/reload.ts'
import { CommandFailure, type ExitCode, exitCode } from '../exit-code.ts'
import { exitSoon, leave } from '../process/leave.ts'
import { onHangup, onRestart, untilEnded } from '../process/signals.ts'
import { type ConfigurationOptions, configurationPath, loadedSettings, readSettings } from '../settings.ts'
import { Handover } from './handover.ts'
import { keepOutputFromWaiting, logDestination } from './log-destination.ts'
import { Registration } from './orthanc-registration.ts'
import { EndedBeforeServing, predecessorOf, type RunningPredecessor, unlessEnded } from './predecessor.ts'
import { hasServiceManager, notifyServiceManager } from './service-manager.ts'
import type { Successor } from './successor.ts'
import { openTracing } from './tracing.ts'

/** How long (ms) after the grace all else may take that belongs to the end. */
const forcedExitDelayMs = 8_000

/** Runs the proxy until a signal ends it, or a successor has taken its place. */
export async function serve(stores: readonly string[], options: ConfigurationOptions): Promise<ExitCode> {
  const predecessor = predecessorOf(process)
  try {
    return await run(stores, options, predecessor)
  } catch (error) {
    await predecessor?.failed((error as Error).message)
    throw error
  }
}

async function run(
  stores: readonly string[],
  options: ConfigurationOptions,
  predecessor: RunningPredecessor | null,
): Promise<ExitCode> {
  const { promise: started, resolve: hasStarted } = Promise.withResolvers<{ reload: Reload; handover: Handover }>()
  const reload = (trigger: string) => void started.then(({ reload }) => reload.run(trigger))
  onRestart(() => void started.then(({ handover }) => handover.run()))
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
  let handedTo: Successor | null = null
  // Since a successor has taken over: its metrics don't have these.
  const drained = { requests: 0, failed: 0 }
  const uploads = {
    record(event: RequestEvent) {
      const failed = outcomes.record(event)
      if (!handedTo) return
      if (failed) handedTo.uploadFailed(failed)
      drained.requests += 1
      if (event.failed) drained.failed += 1
    },
    of: (name: string) => failedJobs.of(name),
    countsOf: (name: string) => failedJobs.countsOf(name),
  }
  const before = predecessor && unlessEnded(predecessor, ended)
  const proxy = await start(settings, { logger, tracing, uploads, predecessor: before })
  for (const [account, url] of proxy.accountUrls) logger.info({ account, url }, 'DICOMweb server for Orthanc')
  if (proxy.adminUrl) logger.info({ url: proxy.adminUrl }, 'admin listener')
  if (predecessor) takeOver(predecessor, logger)
  else await tellReady(logger)
  // Until then it has carried uploads, too; what it knows of them comes with it.
  void predecessor?.released.then(() => outcomes.forgetAll(Date.now()))
  predecessor?.onUploadFailed((upload) => {
    if (handedTo) handedTo.uploadFailed(upload)
    else outcomes.add(upload)
  })
  const registration = new Registration(settings, proxy.url, { logger, failedJobs }, predecessor?.released)
  const load = () => loadedSettings(stores, options)
  let grace = settings.shutdownGrace
  const onChange = (now: Settings) => {
    grace = now.shutdownGrace
    registration.replace(now)
  }
  const reloading = new Reload(settings, { proxy, logger, load, onChange })
  const handover = new Handover({ proxy, logger, process })
  hasStarted({ reload: reloading, handover })

  const successor = await Promise.race([ended.then(() => null), handover.done])
  watch.close()
  reloading.end()
  let end: Promise<ExitCode> = ended
  if (successor) {
    handedTo = successor
    void predecessor?.succeeded(true)
    const hasDrained = proxy.drain()
    end = Promise.race([ended, untilNobodyServes(successor, { predecessor, logger })])
    logger.info({ successor: successor.pid }, 'a successor accepts connections; finishing those that are open')
    const hasReleased = registration.stop().then((jobs) => successor.release(jobs))
    const code = await Promise.race([Promise.all([hasDrained, hasReleased]).then(() => null), end])
    if (code === null) {
      await proxy.close()
      await tracing.close()
      exitSoon()
      const isFollowed = successor.end === null
      logger.info(drained, isFollowed ? 'stopped; the successor serves' : 'stopped')
      return isFollowed ? exitCode.ok : codeAfter(successor)
    }
  }
  const code = await end
  // Exits even if something hangs.
  setTimeout(() => leave(exitCode.failure), grace + forcedExitDelayMs).unref()
  await handover.cancel()
  // Orthanc may take its time to respond, and requests in flight don't wait for it.
  void registration.stop()
  logger.info('shutting down; requests in flight may finish, new ones are rejected')
  const aborted = await proxy.close()
  // Also the uploads that were aborted; a successor has its own part in them.
  if (!successor) await registration.close()
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
    if (cause instanceof EndedBeforeServing) throw new CommandFailure(cause.message, exitCode.terminated, { cause })
    const { message, isPermanent } = startFailure(cause, options.predecessor?.sockets)
    throw new CommandFailure(message, isPermanent ? exitCode.usage : exitCode.failure, { cause })
  }
}

function takeOver(predecessor: RunningPredecessor, logger: Logger): void {
  const { pid } = predecessor
  predecessor.serving()
  logger.info({ predecessor: pid }, 'took over; the predecessor finishes its open connections')
  void predecessor.ended.then(() => {
    keepOutputFromWaiting(process)
    logger.info({ predecessor: pid }, 'the predecessor has ended')
  })
}

/**
 * Resolves if the successor is lost, and systemd would start the service again if it knew: it
 * notices the end of this process, which it has started, but not of the successor while this one
 * runs.
 */
async function untilNobodyServes(
  successor: Successor,
  { predecessor, logger }: { predecessor: RunningPredecessor | null; logger: Logger },
): Promise<ExitCode> {
  const reason = await successor.lost
  const level = successor.wasStopped ? 'info' : 'error'
  logger[level]({ reason }, 'the successor has ended: nobody accepts connections')
  await predecessor?.succeeded(false)
  if (!hasServiceManager(process.env)) return new Promise(() => {})
  await notifyServiceManager(process.env, `MAINPID=${process.pid}`)
  return codeAfter(successor)
}

/** Of a process whose successor has ended: a service that is stopped has not failed. */
function codeAfter({ wasStopped }: Successor): ExitCode {
  return wasStopped ? exitCode.terminated : exitCode.failure
}

async function tellReady(logger: Logger): Promise<void> {
  const reason = await notifyServiceManager(process.env, 'READY=1')
  if (reason !== null) logger.warn({ reason }, "can't tell systemd that the proxy is ready")
}
