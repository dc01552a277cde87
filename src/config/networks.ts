import { isIP, isIPv6 } from 'node:net'
import type { Section } from './section.ts'
import type { Network } from './settings.ts'

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
export function networksOf(proxy: Section): readonly Network[] | null {
  const texts = proxy.texts('AllowedNetworks')
  if (!texts) return null
  return texts.flatMap((text, at) => {
    const network = parseNetwork(text)
    if (!network)
      proxy.itemProblem('AllowedNetworks', at, 'must be a network such as 10.1.0.0/16 or fd00:1::/32, or one address')
    return network ?? []
  })
}
