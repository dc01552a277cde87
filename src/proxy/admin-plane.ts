import { closeSync } from 'node:fs'
import type { FastifyInstance } from 'fastify'
import { createAdminListener } from '../admin/admin-listener.ts'
import type { ProxyStatus } from '../admin/proxy-status.ts'
import { withTimeout } from '../concurrency/abort.ts'
import { isLoopback } from '../config/loopback.ts'
import type { Settings } from '../config/settings.ts'
import type { TlsMaterial } from '../config/tls.ts'
import { tlsOptions } from '../server/tls.ts'
import type { PlaneOptions } from './data-plane.ts'
import { type ListeningSocket, listen, renewTls, socketOf, stopAccepting } from './listen.ts'

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

  /**
   * Resolves with the listener's root URL; null without a listener.
   *
   * @param inherited of the process before; null if there was none
   */
  async listen(inherited: ListeningSocket | null): Promise<string | null> {
    if (this.#listener && this.#address) return listen(this.#listener, this.#address, inherited)
    if (inherited) closeSync(inherited.fd)
    return null
  }

  get socket(): ListeningSocket | null {
    return this.#listener && this.#address && socketOf(this.#listener, this.#address)
  }

  renewTls(material: TlsMaterial): void {
    if (this.#listener) renewTls(this.#listener, material)
  }

  /** Leaves its address to a successor that accepts there already, and closes. */
  async drain(): Promise<void> {
    if (!this.#listener) return
    const drained = stopAccepting(this.#listener)
    this.#listener.server.closeIdleConnections()
    await withTimeout(maxDrainMs, drained)
    await this.close()
  }

  async close(): Promise<void> {
    await this.#listener?.close()
  }
}

/** How long responses may take that have begun; a status page's stream has no end. */
const maxDrainMs = 500
