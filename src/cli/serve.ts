import type { Settings } from '../config/settings.ts'
import { createLogger, type Logger } from '../observe/logger.ts'
import { CommandFailure, type ExitCode, exitCode } from './exit-code.ts'
import { keepInOrthanc } from './orthanc/keep.ts'
import { type RunningProxy, startProxy } from './proxy.ts'
import { type ConfigurationOptions, readSettings } from './settings.ts'
import { untilEnded } from './signals.ts'

/** Runs the proxy until a signal ends it. */
export async function serve(stores: readonly string[], options: ConfigurationOptions): Promise<ExitCode> {
  const settings = readSettings(stores, options)
  const logger = createLogger(settings)
  for (const warning of settings.warnings) logger.warn(warning)
  for (const notice of settings.notices) logger.info(notice)

  const ended = untilEnded()
  const proxy = await start(settings, logger)
  for (const [account, url] of proxy.accountUrls) logger.info({ account, url }, 'DICOMweb server for Orthanc')
  if (proxy.adminUrl) logger.info({ url: proxy.adminUrl }, 'admin listener')
  const registration = keepInOrthanc(settings, proxy.url, logger)

  const code = await ended
  await registration.close()
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
