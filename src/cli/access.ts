import type { IncomingMessage } from 'node:http'
import { rereadClients } from '../config/clients-file.ts'
import { isLoopback } from '../config/loopback.ts'
import { type ClientSettings, dicomWebServices, type ListenAddress, type Settings } from '../config/settings.ts'
import { type FileWatch, watchFiles } from '../config/watch-files.ts'
import { Authentication } from '../guard/authentication.ts'
import { anonymous, type Client } from '../guard/client.ts'
import { ClientDirectory } from '../guard/client-directory.ts'
import { onlyLocalHosts } from '../guard/local-host.ts'
import type { Logger } from '../observe/logger.ts'

type Identified = Client | Promise<Client>

const everyone = anonymous(dicomWebServices)

/** For those who share the clients with other processes. */
interface AccessEvents {
  /** A try to log in has failed. */
  readonly onFailedTry?: ((address: string) => void) | undefined
  /** The file of the clients has changed: all clients that there are now. */
  readonly onReread?: ((clients: readonly ClientSettings[]) => void) | undefined
}

/** Who is who, on both listeners: the clients of the settings, and of their file, which is read again when it changes. */
export class Access {
  readonly #logger: Logger
  readonly #onFailedTry: AccessEvents['onFailedTry']
  readonly #onReread: AccessEvents['onReread']
  #settings: Settings
  /** Null where nobody is authenticated. */
  #authentication: Authentication | null = null
  #watch: FileWatch | null = null
  #checkHost: (host: string | undefined) => void = () => {}

  constructor(settings: Settings, logger: Logger, { onFailedTry, onReread }: AccessEvents = {}) {
    this.#logger = logger
    this.#onFailedTry = onFailedTry
    this.#onReread = onReread
    this.#settings = settings
    this.#apply(settings, null)
  }

  /** Other clients from now on. Who has to wait after failed tries goes on waiting. */
  replace(settings: Settings): void {
    const { clients } = this.#settings
    this.#settings = settings
    this.#apply(settings, clients?.file ?? null)
  }

  readonly clientOf = (request: IncomingMessage): Identified =>
    this.#authentication?.clientOf(request) ?? this.#anyoneAt(this.#settings.listen, request)

  /** Whoever is on this machine may see how the proxy fares. */
  readonly adminClientOf = (request: IncomingMessage): Identified => {
    const { adminListen } = this.#settings
    const isLocal = adminListen === null || isLoopback(adminListen.host)
    const known = isLocal ? undefined : this.#authentication?.clientOf(request)
    return known ?? this.#anyoneAt(adminListen, request)
  }

  /** A try from this address has failed where another process was asked. */
  failedElsewhere(address: string): void {
    this.#authentication?.failedElsewhere(address)
  }

  close(): void {
    this.#watch?.close()
  }

  /** Throws a ProxyError `wrong-host` for what a page of the web has sent. */
  #anyoneAt(address: ListenAddress | null, { headers }: IncomingMessage): Client {
    if (address === null || isLoopback(address.host)) this.#checkHost(headers.host)
    return everyone
  }

  #apply({ clients, limits, publicUrl, readAt }: Settings, watched: string | null): void {
    this.#checkHost = onlyLocalHosts(publicUrl)
    if (clients === null) this.#authentication = null
    else this.#know([...clients.named, ...clients.listed], limits.failedLogins)
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

  #know(clients: readonly ClientSettings[], freeTries: number): void {
    const directory = new ClientDirectory(clients)
    if (this.#authentication) this.#authentication.replace(directory, freeTries)
    else this.#authentication = new Authentication(directory, freeTries, this.#onFailedTry)
  }

  async #reread(): Promise<void> {
    const settings = this.#settings
    const { clients, accounts, limits } = settings
    if (clients === null) return
    try {
      const now = await rereadClients(clients, accounts)
      // The configuration has changed meanwhile: what is in the file may mean something else by that.
      if (this.#settings !== settings) return await this.#reread()
      this.#know(now, limits.failedLogins)
      this.#onReread?.(now)
      this.#logger.info({ clients: now.length }, 'ClientsFile read again')
    } catch (error) {
      const reason = (error as Error).message
      this.#logger.error({ reason }, 'ClientsFile has changed, and cannot be used: the clients stay')
    }
  }
}
