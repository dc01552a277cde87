import { BlockList, isIP } from 'node:net'
import { domainToASCII } from 'node:url'

/**
 * Reads `NO_PROXY`, which has no standard, as curl does and, where that is no contradiction, Go:
 * entries between commas or blanks, each a name with all names below it (`.name` is the same,
 * `*.name` only those below), an address, a network (`10.0.0.0/8`) or `*`; a port may follow.
 *
 * Every library reads it in another way. This is the only place of the program that reads it.
 *
 * @returns whether a URL is to be reached without the outgoing proxy
 */
export function readNoProxy(text: string): (url: URL) => boolean {
  const exemptions = text.split(/[,\s]+/).flatMap((entry) => (entry === '' ? [] : [exemptionOf(entry)]))
  return (url) => {
    const host = nameOf(url.hostname)
    const port = url.port || (url.protocol === 'https:' ? '443' : '80')
    return exemptions.some((one) => (one.port === null || one.port === port) && one.covers(host))
  }
}

interface Exemption {
  /** Null is any port. */
  readonly port: string | null
  covers(host: string): boolean
}

function exemptionOf(entry: string): Exemption {
  // Of several colons, none begins a port: that is an IPv6 address without brackets.
  const [, bracketed, bare = entry, port = null] = /^(?:\[([^\]]*)\](?:\/\d+)?|([^:]*))(?::(\d+))?$/.exec(entry) ?? []
  const host = bracketed === undefined ? bare : entry.replace(/:\d+$/, '').replace(/[[\]]/g, '')
  return { port, covers: coveredBy(host) }
}

function coveredBy(host: string): (host: string) => boolean {
  if (host === '*') return () => true
  const [, address = '', prefix] = /^([^/]*)(?:\/(.*))?$/.exec(host) ?? []
  if (isIP(address)) return coveredByNetwork(address, prefix)
  const domain = nameOf(host.replace(/^\*?\./, ''))
  if (domain === '') return () => false
  return (name) => name.endsWith(`.${domain}`) || (name === domain && !host.startsWith('*'))
}

/** Of an address, all spellings are the same. */
function coveredByNetwork(address: string, prefix: string | undefined): (host: string) => boolean {
  const bits = isIP(address) === 4 ? 32 : 128
  const length = /^\d{1,3}$/.test(prefix ?? String(bits)) ? Number(prefix ?? bits) : Number.POSITIVE_INFINITY
  // No URL has a zone (RFC 6874).
  if (length > bits || address.includes('%')) return () => false
  const network = new BlockList()
  network.addSubnet(address, length, familyOf(address))
  return (host) => isIP(host) === isIP(address) && network.check(host, familyOf(host))
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6'
}

/** As a URL spells it, without brackets and without the dot of a complete name. */
function nameOf(host: string): string {
  return (domainToASCII(host) || host)
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/(.)\.$/, '$1')
}
