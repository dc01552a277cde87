import type { FastifyInstance } from 'fastify'
import { createAdminListener } from '../admin/admin-listener.ts'
import type { ProxyStatus } from '../admin/proxy-status.ts'
import { isLoopback } from '../config/loopback.ts'
import type { Settings } from '../config/settings.ts'
import type { TlsMaterial } from '../config/tls.ts'
import { tlsOptions } from '../server/tls.ts'
import type { PlaneOptions } from './data-plane.ts'
import { listen, renewTls } from './listen.ts'

/** The admin listener, if configured. */
export class AdminPlane {
  readonly #address: Settings['adminListen']
  readonly #listener: FastifyInstance | null

  constructor(proxy: ProxyStatus, { runtime, log, material }: PlaneOptions) {
    const { adminListen, requestHeaders } = runtime.current.settings
    const limits = () => runtime.current.settings.limits
    this.#address = adminListen
    this.#listener =
      adminListen &&
      (isLoopback(adminListen.host)
        ? // It speaks TLS only where other machines reach it: probes of this one need none.
          createAdminListener(proxy, { log, limits, allows: isLoopback, tls: null })
        : createAdminListener(proxy, {
            log,
            limits,
            allows: (address) => isLoopback(address) || runtime.current.allows(address),
            tls:
              material &&
              tlsOptions(material, { requireClientCertificate: false, handshakeTimeout: requestHeaders, http2: false }),
          }))
  }

  /** Resolves with the listener's root URL; null without a listener. */
  async listen(): Promise<string | null> {
    return this.#listener && this.#address ? listen(this.#listener, this.#address) : null
  }

  renewTls(material: TlsMaterial): void {
    if (this.#listener) renewTls(this.#listener, material)
  }

  async close(): Promise<void> {
    await this.#listener?.close()
  }
}
