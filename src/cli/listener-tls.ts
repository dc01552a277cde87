import type { Server as HttpsServer } from 'node:https'
import type { Settings } from '../config/settings.ts'
import { expiryWarnings, readTls } from '../config/tls.ts'
import { watchFiles } from '../config/watch-files.ts'
import type { Logger } from '../observe/logger.ts'
import { secureContext } from '../server/tls.ts'

/**
 * Gives listeners the certificate, key and authorities anew when their files change: connections that are open stay, new
 * ones meet the new ones.
 */
export function keepTlsFresh(
  { tls, readAt }: Pick<Settings, 'tls' | 'readAt'>,
  servers: readonly HttpsServer[],
  logger: Logger,
): { close(): void } {
  if (tls === null) return { close() {} }
  const files = [tls.certificate, tls.key, ...(tls.clientAuthorities === null ? [] : [tls.clientAuthorities])]
  return watchFiles(
    files,
    () => {
      try {
        const material = readTls(tls)
        for (const server of servers) server.setSecureContext(secureContext(material))
        for (const warning of expiryWarnings(material)) logger.warn(warning)
        logger.info('TLS files read again')
      } catch (error) {
        const reason = (error as Error).message
        logger.error({ reason }, 'TLS files have changed, and cannot be used: the old ones stay')
      }
    },
    readAt,
  )
}
