import type { Socket } from 'node:net'

/** The other end of a connection, the same for a TLS socket and for the one beneath it. */
export function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
