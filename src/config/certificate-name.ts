import { isIP } from 'node:net'

/**
 * How an alternative name of a certificate is compared: host names in lower case, addresses in the one form that URLs have.
 * Node calls the kind `IP Address`, the configuration `IP`, as openssl's own configuration does.
 */
export function canonicalAlternative(name: string): string {
  if (name.startsWith('DNS:')) return `DNS:${name.slice(4).toLowerCase()}`
  const address = /^IP(?: Address)?:(.*)$/.exec(name)?.[1]
  return address === undefined ? name : `IP:${canonicalAddress(address)}`
}

/** IPv6 has many ways to write an address (RFC 5952); the URL parser knows one. */
function canonicalAddress(address: string): string {
  return isIP(address) === 6 && !address.includes('%') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address
}
