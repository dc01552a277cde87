import type { IncomingMessage } from 'node:http'
import { GoogleError } from './google-error.ts'

const ofThisMachine = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d*)?$/i

/**
 * Refuses what a browser sends for a page: any page of the web could otherwise set faults, and one
 * whose name leads to this machine (DNS rebinding) read tokens and instances. A browser says where
 * it comes from; over http, to another name than this machine's, it does not.
 */
export function refusePages({ headers }: Pick<IncomingMessage, 'headers'>, scheme: 'http' | 'https'): void {
  const { host, origin, 'sec-fetch-site': site } = headers
  if (origin !== undefined || (site !== undefined && site !== 'none'))
    throw new GoogleError(403, 'No page may use the emulator.')
  if (scheme === 'http' && host && !ofThisMachine.test(host)) {
    throw new GoogleError(403, 'The emulator responds to localhost, 127.0.0.1 and [::1] alone.')
  }
}
