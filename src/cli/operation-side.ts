import type { FastifyInstance } from 'fastify'
import { createAdminListener } from '../admin/admin-listener.ts'
import type { Operation } from '../admin/operation.ts'
import { isLoopback } from '../config/loopback.ts'
import type { Settings } from '../config/settings.ts'
import type { TlsMaterial } from '../config/tls.ts'
import type { LineLog } from '../observe/logger.ts'
import { tlsOptions } from '../server/tls.ts'
import type { Generations } from './generations.ts'
import { listen, renewTls } from './listen.ts'

interface Options {
  readonly generations: Generations
  /** For who is refused. */
  readonly log: LineLog
  /** What the files of Tls hold; null: plain http. */
  readonly material: TlsMaterial | null
}

/** What probes and people look at: the admin listener, where one is wanted. */
export class OperationSide {
  readonly #address: Settings['adminListen']
  readonly #listener: FastifyInstance | null

  constructor(operation: Operation, { generations, log, material }: Options) {
    const { adminListen, requestHeaders } = generations.current.settings
    const limits = () => generations.current.settings.limits
    this.#address = adminListen
    this.#listener =
      adminListen &&
      (isLoopback(adminListen.host)
        ? // It speaks TLS only where other machines reach it: probes of this one need none.
          createAdminListener(operation, { log, limits, allows: isLoopback, tls: null })
        : createAdminListener(operation, {
            log,
            limits,
            allows: (address) => isLoopback(address) || generations.current.allows(address),
            tls:
              material && tlsOptions(material, { requireClientCertificate: false, handshakeTimeout: requestHeaders }),
          }))
  }

  /** The root of the listener, once it listens; null where there is none. */
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
