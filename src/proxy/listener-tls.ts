import { isDeepStrictEqual } from 'node:util'
import type { Settings, TlsSettings } from '../config/settings.ts'
import { type CertificateExpiry, expiryOf, expiryWarnings, readTls, type TlsMaterial } from '../config/tls.ts'
import { type FileWatch, watchFiles } from '../config/watch-files.ts'
import type { Logger } from '../observe/logger.ts'
import type { ReloadStatus } from '../observe/reload-status.ts'

type OfSettings = Pick<Settings, 'tls' | 'readAt'>

interface ListenerTlsOptions {
  /** What the listeners begin with; null without TLS. */
  readonly material: TlsMaterial | null
  /** Gives new contents to the listeners. */
  readonly renew: (material: TlsMaterial) => void
  readonly logger: Logger
  readonly reloads: Pick<ReloadStatus, 'succeed' | 'reject'>
  /** How often the log warns of a certificate that ends soon. */
  readonly warningIntervalMs?: number
}

const dayMs = 86_400_000

/**
 * Reloads the listeners' certificate, key and CAs when the files change or other files are
 * configured. Open connections stay; new ones use the new certificate.
 */
export class ListenerTls {
  readonly #renew: (material: TlsMaterial) => void
  readonly #logger: Logger
  readonly #reloads: Pick<ReloadStatus, 'succeed' | 'reject'>
  #settings: TlsSettings | null
  #material: TlsMaterial | null
  #watch: FileWatch | null = null
  readonly #warning: NodeJS.Timeout

  constructor(
    { tls, readAt }: OfSettings,
    { material, renew, logger, reloads, warningIntervalMs = dayMs }: ListenerTlsOptions,
  ) {
    this.#renew = renew
    this.#logger = logger
    this.#reloads = reloads
    this.#settings = tls
    this.#material = material
    this.#watchFiles(readAt)
    this.#warning = setInterval(() => this.#warn(), warningIntervalMs).unref()
  }

  /** Null without TLS. */
  get expiry(): CertificateExpiry | null {
    return this.#material && expiryOf(this.#material)
  }

  /**
   * Reads the files of new settings; null if they are the same, or if there are none. Rejects with
   * a ConfigurationError if they can't be used.
   */
  async read({ tls }: OfSettings): Promise<TlsMaterial | null> {
    return tls === null || isDeepStrictEqual(tls, this.#settings) ? null : readTls(tls)
  }

  /**
   * A reload can't turn TLS on or off.
   *
   * @param material the result of {@link read}
   */
  replace({ tls, readAt }: OfSettings, material: TlsMaterial | null): void {
    if (isDeepStrictEqual(tls, this.#settings)) return
    this.#settings = tls
    if (material) this.#take(material)
    this.#watchFiles(readAt)
  }

  close(): void {
    clearInterval(this.#warning)
    this.#watch?.close()
  }

  /** Long before the end, it says nothing. */
  #warn(): void {
    if (this.#material) for (const warning of expiryWarnings(this.#material)) this.#logger.warn(warning)
  }

  #watchFiles(readAt: number): void {
    this.#watch?.close()
    if (this.#settings === null) return
    const { certificate, key, clientAuthorities } = this.#settings
    const files = [certificate, key, ...(clientAuthorities === null ? [] : [clientAuthorities])]
    this.#watch = watchFiles(
      () => files,
      () => void this.#reread(),
      readAt,
    )
  }

  async #reread(): Promise<void> {
    const settings = this.#settings
    if (settings === null) return
    try {
      const material = await readTls(settings)
      // The settings name other files by now, which have been read already.
      if (this.#settings === settings) this.#take(material)
    } catch (error) {
      const reason = (error as Error).message
      this.#reloads.reject('Tls', reason)
      this.#logger.error({ reason }, 'TLS files rejected; keeping the current ones')
    }
  }

  #take(material: TlsMaterial): void {
    this.#material = material
    this.#renew(material)
    this.#warn()
    this.#reloads.succeed('Tls')
    this.#logger.info('TLS files reloaded')
  }
}
