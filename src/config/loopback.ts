import { BlockList, isIP } from 'node:net'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/**
 * Whether a host name, or an address with or without brackets, is a loopback address (RFC 1122
 * 3.2.1.3, RFC 4291 2.5.3).
 */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true
  const address = host.replace(/^\[|\]$/g, '')
  const version = isIP(address)
  return version !== 0 && loopback.check(address, version === 6 ? 'ipv6' : 'ipv4')
}

/** Whether a host stands for all addresses of this machine. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** Where a listener on this host is reached from this machine: a wildcard is no address to connect to. */
export function localHost(host: string): string {
  // The address of `localhost` that the proxy listens on.
  if (host === 'localhost' || host === '0.0.0.0') return '127.0.0.1'
  return isWildcard(host) ? '::1' : host
}

/** As the configuration and URLs have it: an IPv6 address in brackets. */
export function hostAndPort({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
