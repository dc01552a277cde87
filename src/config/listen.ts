import { isIPv6 } from 'node:net'
import { isLoopback } from './loopback.ts'
import type { Section } from './section.ts'
import type { ListenAddress, Settings } from './settings.ts'

/** `host:port` or `[::1]:8043` as an address; null if it is neither. */
export function parseListen(text: string): ListenAddress | null {
  const at = text.lastIndexOf(':')
  const host = text.slice(0, at).replace(/^\[(.*)\]$/, '$1')
  const port = Number(text.slice(at + 1))
  if (host.includes(':') && !isIPv6(host)) return null
  return host === '' || !Number.isInteger(port) || port > 65535 ? null : { host, port }
}

/**
 * The address under a key, else the default. Without clients to authenticate it serves this machine only, unless somebody
 * says in so many words that everyone may come.
 */
export function listenAddress(proxy: Section, key: string, standard: string, warnings: string[]): ListenAddress {
  const text = proxy.text(key) ?? standard
  const address = parseListen(text)
  if (!address) {
    proxy.problem(key, 'must be host:port, such as 127.0.0.1:8043 or [::1]:8043')
    return { host: '127.0.0.1', port: 0 }
  }
  if (isLoopback(address.host) || hasClients(proxy)) return address
  if (proxy.flag('AllowAnonymous') === true) {
    warnings.push(`DicomWebProxy.${key} is ${text}, and AllowAnonymous is true: ${everyone[key]}`)
  } else {
    proxy.problem(
      key,
      'lets other machines connect, and no Clients are configured; name them, listen on 127.0.0.1 or [::1], or write "AllowAnonymous": true if everyone who can reach this address may use it',
    )
  }
  return address
}

export function hasClients(proxy: Section): boolean {
  return proxy.has('Clients') || proxy.has('ClientsFile')
}

/** What is contradictory or dangerous about who may connect, and how. */
export function checkClients(
  proxy: Section,
  { listen, clients, tls }: Pick<Settings, 'listen' | 'clients' | 'tls'>,
  warnings: string[],
): void {
  if (clients && proxy.flag('AllowAnonymous') === true) {
    proxy.problem('AllowAnonymous', 'contradicts Clients, which lets in nobody else; remove one of them')
  }
  if (!clients && tls?.clientAuthorities) {
    proxy
      .section('Tls')
      .problem('ClientAuthorities', 'has no effect without Clients, which say what the owner of a certificate may do')
  }
  if (clients && !tls && !isLoopback(listen.host)) {
    warnings.push(
      'DicomWebProxy.Listen lets other machines connect without TLS: passwords, bearer tokens and images can be read on the way. Add DicomWebProxy.Tls, or let nothing but a TLS proxy connect (AllowedNetworks).',
    )
  }
}

const everyone: Readonly<Record<string, string>> = {
  Listen: 'everyone who can reach this address can use every account without authentication.',
  AdminListen: 'everyone who can reach this address can see the state of the proxy.',
}
