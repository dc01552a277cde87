import { reloadClients } from '../config/clients-file.ts'
import { isLoopback } from '../config/loopback.ts'
import { type ClientSettings, dicomWebServices, type ListenAddress, type Settings } from '../config/settings.ts'
import { type FileWatch, watchFiles } from '../config/watch-files.ts'
import type { InboundRequest } from '../downstream/inbound.ts'
import { Authentication } from '../guard/authentication.ts'
import { anonymous, type Client } from '../guard/client.ts'
import { ClientDirectory } from '../guard/client-directory.ts'
import { checkHostHeader } from '../guard/host-header.ts'
import { isOpened, onlySameOrigin } from '../guard/same-origin.ts'
import type { Logger } from '../observe/logger.ts'
import type { ReloadStatus } from '../observe/reload-status.ts'

type Identified = Client | Promise<Client>

const everyone = anonymous(dicomWebServices)

/**
 * Authenticates requests on both listeners, with the clients of the settings and of `ClientsFile`,
 * which is reloaded when it changes.
 */
export class Access {
  readonly #logger: Logger
  readonly #reloads: Pick<ReloadStatus, 'succeed' | 'reject'>
  #settings: Settings
  /** Null without authentication. */
  #authentication: Authentication | null = null
  #watch: FileWatch | null = null
  #checkHost: (host: string | undefined) => void = () => {}
  /** Of the admin listener; the data listener has its own (guard/cors.ts). */
  #checkOrigin: (request: InboundRequest) => void = () => {}

  constructor(settings: Settings, logger: Logger, reloads: Pick<ReloadStatus, 'succeed' | 'reject'>) {
    this.#logger = logger
    this.#reloads = reloads
    this.#settings = settings
    this.#apply(settings, null)
  }

  /** Replaces the clients. Delays after failed logins stay. */
  replace(settings: Settings): void {
    const { clients } = this.#settings
    this.#settings = settings
    this.#apply(settings, clients?.file ?? null)
  }

  readonly clientOf = (request: InboundRequest): Identified => {
    const known = this.#authentication?.clientOf(request)
    if (known) return known
    this.#checkLocal(this.#settings.listen, request)
    return everyone
  }

  /** Everyone on this machine may see the proxy's status. */
  readonly adminClientOf = (request: InboundRequest): Identified => {
    const { adminListen } = this.#settings
    const isLocal = adminListen === null || isLoopback(adminListen.host)
    const known = isLocal ? undefined : this.#authentication?.clientOf(request)
    if (known) return known
    this.#checkLocal(adminListen, request)
    // Links to the status page are allowed.
    if (!isOpened(request)) this.#checkOrigin(request)
    return everyone
  }

  close(): void {
    this.#watch?.close()
  }

  /** Throws a ProxyError `wrong-host` for requests of a web page (DNS rebinding). */
  #checkLocal(address: ListenAddress | null, { headers }: InboundRequest): void {
    if (address === null || isLoopback(address.host)) this.#checkHost(headers.host)
  }

  #apply({ clients, limits, publicUrl, readAt }: Settings, watched: string | null): void {
    this.#checkHost = checkHostHeader(publicUrl)
    this.#checkOrigin = onlySameOrigin(publicUrl)
    if (clients === null) this.#authentication = null
    else this.#setClients([...clients.named, ...clients.listed], limits.failedLogins)
    const file = clients?.file ?? null
    if (file === watched) return
    this.#watch?.close()
    this.#watch =
      file === null
        ? null
        : watchFiles(
            () => [file],
            () => void this.#reread(),
            readAt,
          )
  }

  #setClients(clients: readonly ClientSettings[], freeAttempts: number): void {
    const directory = new ClientDirectory(clients)
    if (this.#authentication) this.#authentication.replace(directory, freeAttempts)
    else this.#authentication = new Authentication(directory, freeAttempts)
  }

  async #reread(): Promise<void> {
    const settings = this.#settings
    const { clients, accounts, limits } = settings
    if (clients === null) return
    try {
      const now = await reloadClients(clients, accounts)
      // The configuration has changed meanwhile: the file's content may mean something else under
      // the new one.
      if (this.#settings !== settings) return await this.#reread()
      this.#setClients(now, limits.failedLogins)
      this.#reloads.succeed('ClientsFile')
      this.#logger.info({ clients: now.length }, 'ClientsFile reloaded')
    } catch (error) {
      const reason = (error as Error).message
      this.#reloads.reject('ClientsFile', reason)
      this.#logger.error({ reason }, 'ClientsFile rejected; keeping the current clients')
    }
  }
}
