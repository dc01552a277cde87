import { BlockList, isIPv6 } from 'node:net'
import type { Network } from '../config/settings.ts'

/** Whether a canonical address is in one of the networks; null allows all. */
export function networkAllowList(networks: readonly Network[] | null): (address: string) => boolean {
  if (networks === null) return () => true
  const list = new BlockList()
  for (const { address, prefix, family } of networks) list.addSubnet(address, prefix, family)
  return (address) => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}
