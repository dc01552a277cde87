import { BlockList, isIPv6 } from 'node:net'
import type { Network } from '../config/settings.ts'

/**
 * The canonical form of a peer's address: an IPv4-mapped IPv6 address (RFC 4291 2.5.5.2) becomes
 * the IPv4 address, and the zone is removed.
 */
export function canonicalAddress(address: string | undefined): string {
  if (!address?.includes(':')) return address ?? ''
  return address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*/s, '')
}

/**
 * The key for rate limits by address: the /64 prefix for IPv6, because one host usually has all
 * addresses of a /64 (RFC 6177).
 *
 * @param address a canonical one
 */
export function rateLimitKey(address: string): string {
  if (!isIPv6(address) || address === '::1') return address
  const [head = '', tail] = address.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail ? tail.split(':') : []
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length
  return `${[...left, ...Array<string>(zeros).fill('0'), ...right].slice(0, 4).join(':')}::/64`
}

/** Whether a canonical address is in one of the networks; null allows all. */
export function networkAllowList(networks: readonly Network[] | null): (address: string) => boolean {
  if (networks === null) return () => true
  const list = new BlockList()
  for (const { address, prefix, family } of networks) list.addSubnet(address, prefix, family)
  return (address) => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}
