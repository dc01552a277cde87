import { isIP, isIPv6 } from 'node:net'
import { isLoopback } from './loopback.ts'
import type { Section } from './section.ts'
import type { ListenAddress, Network, Settings } from './settings.ts'

/** `host:port` or `[::1]:8043` as an address; null if it is neither. */
export function parseListen(text: string): ListenAddress | null {
  const at = text.lastIndexOf(':')
  const host = text.slice(0, at).replace(/^\[(.*)\]$/, '$1')
  const port = Number(text.slice(at + 1))
  if (host.includes(':') && !isIPv6(host)) return null
  return host === '' || !Number.isInteger(port) || port > 65535 ? null : { host, port }
}

/**
 * The address under a key. Without clients to authenticate it serves this machine only, unless somebody
 * says in so many words that everyone may come.
 */
export function readListen(proxy: Section, key: string, warnings: string[]): ListenAddress {
  const text = proxy.text(key)
  if (text === undefined) return nowhere
  const address = parseListen(text)
  if (!address) {
    proxy.problem(key, 'must be host:port, such as 127.0.0.1:8043 or [::1]:8043')
    return nowhere
  }
  if (isLoopback(address.host) || hasClients(proxy)) return address
  if (proxy.flag('AllowAnonymous')) {
    warnings.push(`DicomWebProxy.${key} is ${text}, and AllowAnonymous is true: ${everyone[key]}`)
  } else {
    proxy.problem(
      key,
      'lets other machines connect, but no Clients are configured; add Clients, listen on 127.0.0.1 or [::1], or set "AllowAnonymous": true to let everyone who can reach this address use it',
    )
  }
  return address
}

/** In place of an address that has been reported as a problem. */
const nowhere = { host: '127.0.0.1', port: 0 }

export function hasClients(proxy: Section): boolean {
  return proxy.has('Clients') || proxy.has('ClientsFile')
}

/** What is contradictory or dangerous about who may connect, and how. */
export function checkClients(
  proxy: Section,
  { listen, clients, tls }: Pick<Settings, 'listen' | 'clients' | 'tls'>,
  warnings: string[],
): void {
  if (clients && proxy.flag('AllowAnonymous')) {
    proxy.problem(
      'AllowAnonymous',
      'contradicts Clients, which admits only the clients it names; remove one of the two',
    )
  }
  if (!clients && tls?.clientAuthorities) {
    proxy
      .section('Tls')
      .problem(
        'ClientAuthorities',
        'has no effect without Clients; add Clients, which say what the owner of a certificate may do',
      )
  }
  if (clients && !tls && !isLoopback(listen.host)) {
    warnings.push(
      'DicomWebProxy.Listen lets other machines connect without TLS: passwords, bearer tokens and images can be read in transit. Add DicomWebProxy.Tls, or let only a TLS proxy connect (AllowedNetworks).',
    )
  }
}

const everyone: Readonly<Record<string, string>> = {
  Listen: 'everyone who can reach this address can use every account without authentication.',
  AdminListen: 'everyone who can reach this address can see the state of the proxy.',
}

/** `10.0.0.0/8`, `fd00::/8`, or one address; null if it is neither. */
export function parseNetwork(text: string): Network | null {
  const [, address = '', prefix] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const version = isIP(address)
  // As addresses of peers, those of IPv4 are never written in the manner of IPv6.
  if (version === 0 || address.includes('%') || /^::ffff:/i.test(address)) return null
  const longest = isIPv6(address) ? 128 : 32
  const bits = prefix === undefined ? longest : Number(prefix)
  return bits > longest ? null : { address, prefix: bits, family: version === 6 ? 'ipv6' : 'ipv4' }
}

/** From where clients may connect; null if from everywhere. */
export function readNetworks(proxy: Section): readonly Network[] | null {
  if (!proxy.has('AllowedNetworks')) return null
  return proxy.texts('AllowedNetworks').flatMap((text, at) => {
    const network = parseNetwork(text)
    if (!network)
      proxy.itemProblem('AllowedNetworks', at, 'must be a network such as 10.1.0.0/16 or fd00:1::/32, or one address')
    return network ?? []
  })
}
