import { isIP } from 'node:net'
import { ProxyError } from '../errors.ts'

/**
 * Refuses a request that was meant for another host. Where nobody is asked who they are, a page from elsewhere could otherwise
 * have its own name lead here, and read with a browser of this machine what is for this machine (DNS rebinding).
 */
export function checkHost(host: string | undefined): void {
  if (host !== undefined && isOwn(host)) return
  const detail = 'Host names another machine: use an address such as 127.0.0.1, or localhost, to reach this listener.'
  throw new ProxyError('malformed-request', detail)
}

function isOwn(host: string): boolean {
  if (!URL.canParse(`http://${host}`)) return false
  const { hostname } = new URL(`http://${host}`)
  return isIP(hostname.replace(/^\[|\]$/g, '')) !== 0 || hostname === 'localhost' || hostname.endsWith('.localhost')
}
