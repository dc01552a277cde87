import type { Server as HttpsServer } from 'node:https'
import { isDeepStrictEqual } from 'node:util'
import type { Settings, TlsSettings } from '../config/settings.ts'
import { expiryWarnings, readTls } from '../config/tls.ts'
import { type FileWatch, watchFiles } from '../config/watch-files.ts'
import type { Logger } from '../observe/logger.ts'
import { secureContext } from '../server/tls.ts'

type OfSettings = Pick<Settings, 'tls' | 'readAt'>

/**
 * Gives listeners the certificate, key and authorities anew when their files change, or others take their place: connections
 * that are open stay, new ones meet the new ones.
 */
export class ListenerTls {
  readonly #servers: readonly HttpsServer[]
  readonly #logger: Logger
  #settings: TlsSettings | null
  #watch: FileWatch | null = null

  constructor({ tls, readAt }: OfSettings, servers: readonly HttpsServer[], logger: Logger) {
    this.#servers = servers
    this.#logger = logger
    this.#settings = tls
    this.#watchFiles(readAt)
  }

  /** Whether they speak TLS at all must stay. */
  replace({ tls, readAt }: OfSettings): void {
    if (isDeepStrictEqual(tls, this.#settings)) return
    this.#settings = tls
    this.#read()
    this.#watchFiles(readAt)
  }

  close(): void {
    this.#watch?.close()
  }

  #watchFiles(readAt: number): void {
    this.#watch?.close()
    if (this.#settings === null) return
    const { certificate, key, clientAuthorities } = this.#settings
    const files = [certificate, key, ...(clientAuthorities === null ? [] : [clientAuthorities])]
    this.#watch = watchFiles(
      () => files,
      () => this.#read(),
      readAt,
    )
  }

  #read(): void {
    if (this.#settings === null) return
    try {
      const material = readTls(this.#settings)
      for (const server of this.#servers) server.setSecureContext(secureContext(material))
      for (const warning of expiryWarnings(material)) this.#logger.warn(warning)
      this.#logger.info('TLS files read again')
    } catch (error) {
      const reason = (error as Error).message
      this.#logger.error({ reason }, 'TLS files have changed, and cannot be used: the old ones stay')
    }
  }
}
