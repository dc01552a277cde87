import { isIP, isIPv6 } from 'node:net'
import { isLoopback } from './loopback.ts'
import type { Section } from './section.ts'
import type { ListenAddress, Network, Settings } from './settings.ts'

/** Parses `host:port` or `[::1]:8043`; null if it is neither. */
export function parseListen(text: string): ListenAddress | null {
  const at = text.lastIndexOf(':')
  if (at === -1) return null
  const host = text.slice(0, at).replace(/^\[(.*)\]$/, '$1')
  const port = Number(text.slice(at + 1))
  if (host.includes(':') && !isIPv6(host)) return null
  return host === '' || !Number.isInteger(port) || port > 65535 ? null : { host, port }
}

/**
 * Reads an address. Without clients, it must be a loopback address, unless AllowAnonymous
 * explicitly admits everyone.
 */
export function readListen(proxy: Section, key: string, warnings: string[]): ListenAddress {
  const text = proxy.text(key)
  if (text === undefined) return placeholder
  const address = parseListen(text)
  if (!address) {
    proxy.problem(key, 'must be host:port, such as 127.0.0.1:8043 or [::1]:8043')
    return placeholder
  }
  if (isLoopback(address.host) || hasClients(proxy)) return address
  if (proxy.flag('AllowAnonymous')) {
    warnings.push(`DicomWebProxy.${key} is ${text}, and AllowAnonymous is true: ${exposureWarnings[key]}`)
  } else {
    proxy.problem(
      key,
      'lets other machines connect, but no Clients are configured',
      'add Clients, listen on 127.0.0.1 or [::1], or set "AllowAnonymous": true to let everyone who can reach this address use it',
    )
  }
  return address
}

/** Replaces an address that has been reported as a problem. */
const placeholder = { host: '127.0.0.1', port: 0 }

export function hasClients(proxy: Section): boolean {
  return proxy.has('Clients') || proxy.has('ClientsFile')
}

/** Reports contradictions and dangers in who may connect and how. */
export function checkClients(
  proxy: Section,
  { listen, clients, tls }: Pick<Settings, 'listen' | 'clients' | 'tls'>,
  warnings: string[],
): void {
  if (clients && proxy.flag('AllowAnonymous')) {
    proxy.problem(
      'AllowAnonymous',
      'contradicts Clients, which admits only the clients it names',
      'remove one of the two',
    )
  }
  if (!clients && tls?.clientAuthorities) {
    proxy
      .section('Tls')
      .problem(
        'ClientAuthorities',
        'has no effect without Clients',
        'add Clients, which say what the owner of a certificate may do',
      )
  }
  if (clients && !tls && !isLoopback(listen.host)) {
    warnings.push(
      'DicomWebProxy.Listen lets other machines connect without TLS: passwords, bearer tokens and images can be read in transit. Add DicomWebProxy.Tls, or let only a TLS proxy connect (AllowedNetworks).',
    )
  }
}

const exposureWarnings: Readonly<Record<string, string>> = {
  Listen: 'everyone who can reach this address can use every account without authentication.',
  AdminListen: 'everyone who can reach this address can see the state of the proxy.',
}

/** Parses `10.0.0.0/8`, `fd00::/8` or one address; null if it is none of these. */
export function parseNetwork(text: string): Network | null {
  const [, address = '', prefix] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const version = isIP(address)
  // Peers' IPv4 addresses are never compared in their IPv6 form.
  if (version === 0 || address.includes('%') || /^::ffff:/i.test(address)) return null
  const maxBits = isIPv6(address) ? 128 : 32
  const bits = prefix === undefined ? maxBits : Number(prefix)
  return bits > maxBits ? null : { address, prefix: bits, family: version === 6 ? 'ipv6' : 'ipv4' }
}

/** Reads the networks that clients may connect from; null allows all. */
export function readNetworks(proxy: Section): readonly Network[] | null {
  return proxy.has('AllowedNetworks') ? networksOf(proxy, 'AllowedNetworks') : null
}

/** Reads the proxies whose statements about clients' requests count. */
export function readTrustedProxies(proxy: Section): readonly Network[] {
  return networksOf(proxy, 'TrustedProxies')
}

function networksOf(proxy: Section, key: string): readonly Network[] {
  return proxy.texts(key).flatMap((text, at) => {
    const network = parseNetwork(text)
    if (!network) proxy.itemProblem(key, at, 'must be a network such as 10.1.0.0/16 or fd00:1::/32, or one address')
    return network ?? []
  })
}
