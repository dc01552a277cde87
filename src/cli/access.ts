import type { IncomingMessage } from 'node:http'
import { rereadClients } from '../config/clients-file.ts'
import { isLoopback } from '../config/loopback.ts'
import { dicomWebServices, type ListenAddress, type Settings } from '../config/settings.ts'
import { watchFiles } from '../config/watch-files.ts'
import { Authentication } from '../guard/authentication.ts'
import { anonymous, type Client } from '../guard/client.ts'
import { ClientDirectory } from '../guard/client-directory.ts'
import { onlyLocalHosts } from '../guard/local-host.ts'
import type { Logger } from '../observe/logger.ts'

type ClientOf = (request: IncomingMessage) => Client | Promise<Client>

/** Who is who, on both listeners. */
export interface Access {
  readonly clientOf: ClientOf
  readonly adminClientOf: ClientOf
  close(): void
}

/** Knows the clients of the settings, and reads their file again when it changes. */
export function openAccess(settings: Settings, logger: Logger): Access {
  const everyone = anonymous(dicomWebServices)
  const { clients, listen, adminListen, publicUrl } = settings
  const checkHost = onlyLocalHosts(publicUrl)
  const everyoneHere = ({ headers }: IncomingMessage) => {
    checkHost(headers.host)
    return everyone
  }
  const anyoneAt = (address: ListenAddress | null) => {
    return address === null || isLoopback(address.host) ? everyoneHere : () => everyone
  }
  if (clients === null) return { clientOf: anyoneAt(listen), adminClientOf: anyoneAt(adminListen), close() {} }
  const directory = new ClientDirectory([...clients.named, ...clients.listed])
  const authentication = new Authentication(directory, settings.limits.failedLogins)
  const clientOf = (request: IncomingMessage) => authentication.clientOf(request)
  const isLocal = adminListen === null || isLoopback(adminListen.host)
  const reread = () => {
    try {
      const now = rereadClients(clients, settings.accounts)
      authentication.replace(new ClientDirectory(now))
      logger.info({ clients: now.length }, 'ClientsFile read again')
    } catch (error) {
      logger.error(
        { reason: (error as Error).message },
        'ClientsFile has changed, and cannot be used: the clients stay',
      )
    }
  }
  const watch = watchFiles(clients.file === null ? [] : [clients.file], reread, settings.readAt)
  return { clientOf, adminClientOf: isLocal ? everyoneHere : clientOf, close: () => watch.close() }
}
