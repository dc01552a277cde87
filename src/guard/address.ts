import { isIPv6 } from 'node:net'

/** A peer's address in one form only: an IPv4-mapped IPv6 address (RFC 4291 2.5.5.2) is the IPv4 address; no zone. */
export function canonicalAddress(address: string | undefined): string {
  // IPv4 has one form only.
  if (!address?.includes(':')) return address ?? ''
  return address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*/s, '')
}

/**
 * Whom an address is counted as: itself, or its /64 of IPv6, because whoever has one address there has all of them
 * (RFC 6177).
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
