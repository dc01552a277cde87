import { configurationFiles } from '../config/read.ts'
import type { Settings } from '../config/settings.ts'
import { watchFiles } from '../config/watch-files.ts'
import { createLogger, type Logger } from '../observe/logger.ts'
import { prettyDestination } from '../observe/pretty.ts'
import { CommandFailure, type ExitCode, exitCode } from './exit-code.ts'
import { keepInOrthanc } from './orthanc/keep.ts'
import { type RunningProxy, startProxy } from './proxy.ts'
import { Reload } from './reload.ts'
import { type ConfigurationOptions, configurationPath, loadedSettings, readSettings } from './settings.ts'
import { onHangup, untilEnded } from './signals.ts'

/** Runs the proxy until a signal ends it. */
export async function serve(stores: readonly string[], options: ConfigurationOptions): Promise<ExitCode> {
  const { promise: started, resolve: hasStarted } = Promise.withResolvers<Reload>()
  const reload = (why: string) => void started.then((reload) => reload.run(why))
  const path = configurationPath(options)
  const files = () => (path === undefined ? [] : configurationFiles(path, process.cwd()))
  const watch = watchFiles(files, () => reload('its files have changed'))
  // What changes while it is read is noticed, and read again.
  await watch.ready
  const settings = readSettings(stores, options)
  const logger = createLogger({
    ...settings,
    ...(process.stdout.isTTY && { destination: prettyDestination(process.stdout) }),
  })
  for (const warning of settings.warnings) logger.warn(warning)
  for (const notice of settings.notices) logger.info(notice)

  const ended = untilEnded()
  const stopListening = onHangup(() => reload('SIGHUP'))
  const proxy = await start(settings, logger)
  for (const [account, url] of proxy.accountUrls) logger.info({ account, url }, 'DICOMweb server for Orthanc')
  if (proxy.adminUrl) logger.info({ url: proxy.adminUrl }, 'admin listener')
  let registration = Promise.resolve(keepInOrthanc(settings, proxy.url, logger))
  /** One after another: the one before must not write what is not wanted any more. */
  const registerAnew = (settings: Settings) => {
    registration = registration.then(async (before) => {
      await before.close()
      return keepInOrthanc(settings, proxy.url, logger)
    })
  }
  const load = () => loadedSettings(stores, options)
  hasStarted(new Reload(settings, { proxy, logger, load, onChange: registerAnew }))

  const code = await ended
  watch.close()
  stopListening()
  await (await registration).close()
  logger.info('shutting down: requests under way may finish, new ones are refused')
  const cut = await proxy.close()
  if (cut === 0) {
    logger.info('ended')
    return code
  }
  logger.error({ cut }, 'ended: requests that were under way after the grace were cut; see ShutdownGrace')
  return exitCode.failure
}

async function start(settings: Settings, logger: Logger): Promise<RunningProxy> {
  try {
    return await startProxy(settings, { logger })
  } catch (cause) {
    if (cause instanceof CommandFailure) throw cause
    throw new CommandFailure(listenFailure(cause), exitCode.failure, { cause })
  }
}

const reasons: Record<string, string> = {
  EADDRINUSE: 'another program listens there: end it, or change DicomWebProxy.Listen or AdminListen',
  EADDRNOTAVAIL: 'this machine has no such address: change DicomWebProxy.Listen or AdminListen',
  EACCES: 'this user may not: choose a port above 1023 in DicomWebProxy.Listen or AdminListen',
}

function listenFailure(cause: unknown): string {
  const { code, address, port, message } = cause as NodeJS.ErrnoException & { address?: string; port?: number }
  const reason = reasons[code ?? '']
  return reason ? `Can't listen on ${address}:${port}: ${reason}.` : `Can't start: ${message}`
}
