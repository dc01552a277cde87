import { isIP } from 'node:net'

/**
 * The form in which alternative names of certificates are compared: host names in lower case,
 * addresses in the form that URLs have. Node calls this kind `IP Address`; the configuration calls
 * it `IP`, as openssl's own configuration does.
 */
export function canonicalAlternative(name: string): string {
  if (name.startsWith('DNS:')) return `DNS:${name.slice(4).toLowerCase()}`
  const address = /^IP(?: Address)?:(.*)$/.exec(name)?.[1]
  return address === undefined ? name : `IP:${canonicalIp(address)}`
}

/** IPv6 has many spellings of an address (RFC 5952); the URL parser writes only one. */
function canonicalIp(address: string): string {
  return isIP(address) === 6 && !address.includes('%') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address
}

/**
 * The one form in which a client's name is kept and compared: Unicode has several ways to write the
 * same letters.
 */
export function canonicalClientName(name: string): string {
  return name.normalize('NFC')
}
