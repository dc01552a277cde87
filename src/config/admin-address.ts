import { parseListen } from './listen.ts'
import { hostAndPort, isLoopback, localHost } from './loopback.ts'
import type { ConfigProblem, Flaw } from './problem.ts'
import { readSections } from './read.ts'
import { Section } from './section.ts'
import type { ListenAddress } from './settings.ts'
import type { Environment } from './variables.ts'

/** As the schema has it: reading the schema would take longer than all the rest of a probe. */
export const defaultAdminListen = '127.0.0.1:8044'

/** Where a program on this machine reaches the admin listener. */
export interface AdminAddress {
  /** Root URL without a trailing slash; null if the listener is turned off, or not known. */
  readonly url: string | null
  /** Why a part of the configuration could not be read, or the address is not known. */
  readonly problems: readonly ConfigProblem[]
}

interface AdminAddressOptions {
  /** A configuration file or folder; undefined: the defaults. */
  readonly path: string | undefined
  /** `host:port` of the command line, which counts before the configuration's. */
  readonly adminListen: string | undefined
  readonly environment: Environment
  readonly workingDirectory: string
}

/**
 * Reads nothing else of the configuration: what a running proxy refuses to apply must not make it
 * look dead. A file with an error is read as far as possible.
 */
export async function readAdminAddress(options: AdminAddressOptions): Promise<AdminAddress> {
  const { path, workingDirectory, environment } = options
  const { content, problems } =
    path === undefined ? { content: {}, problems: [] } : await readSections(path, workingDirectory, environment)
  const proxy = new Section(content, [], []).section('DicomWebProxy')
  if (options.adminListen === undefined && proxy.isNull('AdminListen')) return { url: null, problems }
  const text = options.adminListen ?? proxy.text('AdminListen') ?? defaultAdminListen
  const address = parseListen(text)
  const flaw = addressFlaw(address)
  if (address && !flaw) return { url: localUrl(address, proxy.enabled('Tls') !== null), problems }
  const file = options.adminListen === undefined ? (path ?? '') : 'command line'
  const problem = { file, path: 'DicomWebProxy.AdminListen', problem: '', remedy: '', ...flaw }
  return { url: null, problems: [...problems, problem] }
}

function addressFlaw(address: ListenAddress | null): Flaw | null {
  if (!address) return { problem: 'must be host:port, such as 127.0.0.1:8044 or [::1]:8044', remedy: '' }
  if (address.port !== 0) return null
  return { problem: 'leaves the port to the system, so that nobody knows it beforehand', remedy: 'name a port' }
}

/** The listener speaks TLS only where other machines reach it. */
function localUrl({ host, port }: ListenAddress, hasTls: boolean): string {
  const scheme = hasTls && !isLoopback(host) ? 'https' : 'http'
  return `${scheme}://${hostAndPort({ host: localHost(host), port })}`
}
