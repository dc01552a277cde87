import { isIP } from 'node:net'
import { ProxyError } from '../errors.ts'
import { urlOfHost } from './host.ts'

/**
 * Refuses requests that name another host than this machine's own. Where nobody logs in, a page of the web could otherwise have its
 * own name point to 127.0.0.1, and a browser on this machine would let it read and delete images here (DNS rebinding).
 *
 * @param publicUrl how clients may name the listener besides
 */
export function checkHostHeader(publicUrl: string | null): (host: string | undefined) => void {
  const own = publicUrl === null ? null : new URL(publicUrl).hostname
  /** The last that was found local: clients send the same one again and again. */
  let known = ''
  return (host) => {
    // No browser leaves it out, or empty.
    if (!host || host === known) return
    const name = urlOfHost(host)?.hostname ?? ''
    // An address is nobody's name: no page can have come from there but one of that machine.
    if (isAddress(name) || name === 'localhost' || name.endsWith('.localhost') || name === own) {
      known = host
      return
    }
    throw new ProxyError('wrong-host', {
      problem: 'The Host header names another host, and this listener serves this machine only.',
      remedy: 'Use http://127.0.0.1 or http://localhost, or set PublicUrl.',
    })
  }
}

function isAddress(hostname: string): boolean {
  return isIP(hostname.replace(/^\[|\]$/g, '')) !== 0
}
