import dns from 'node:dns'
import { connect, isIP, type Socket } from 'node:net'
import { platform } from 'node:os'
import { abortable } from '../concurrency/abort.ts'

/** All addresses of a name, in the order in which they should be tried. */
export type Resolve = (name: string) => Promise<readonly string[]>

/**
 * Milliseconds until the next address is tried beside those that have not responded yet (RFC 8305
 * 8, "Connection Attempt Delay").
 */
const attemptDelayMs = 250

/** Of the system. Addresses of a kind that this machine has no network for are left out. */
export const resolveName: Resolve = (name) => {
  const { promise, resolve, reject } = Promise.withResolvers<string[]>()
  // On Windows, that would leave out localhost as well where there is no network.
  const hints = platform() === 'win32' ? 0 : dns.ADDRCONFIG
  dns.lookup(name, { all: true, hints }, (error, addresses) => {
    if (error) reject(error)
    else resolve(interleaved(addresses.map(({ address }) => address)))
  })
  return promise
}

/** Both families in turn, beginning with the one that the system prefers (RFC 8305 4). */
function interleaved(addresses: readonly string[]): string[] {
  const [first = ''] = addresses
  const preferred = addresses.filter((address) => isIP(address) === isIP(first))
  const others = addresses.filter((address) => isIP(address) !== isIP(first))
  return preferred
    .flatMap((address, at) => [address, ...others.slice(at, at + 1)])
    .concat(others.slice(preferred.length))
}

/** Connects to a host, by whichever of its addresses responds first. */
export async function dial(
  { host, port }: { readonly host: string; readonly port: number },
  { resolve, signal }: { readonly resolve: Resolve; readonly signal: AbortSignal },
): Promise<Socket> {
  const addresses = isIP(host) ? [host] : await abortable(resolve(host), signal)
  return race(addresses, port, signal)
}

/**
 * Attempts one address after another, and gives none of them up: the first that responds wins,
 * whether it takes a second or an earlier one leads nowhere. Node's own attempts end after 250 ms
 * each, which is less than some lines need.
 */
function race(addresses: readonly string[], port: number, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const waiting = [...addresses]
  const attempts = new Set<Socket>()
  const errors: Error[] = []
  let timer: NodeJS.Timeout | undefined

  const end = () => {
    clearTimeout(timer)
    signal.removeEventListener('abort', onAbort)
    for (const attempt of attempts) attempt.destroy()
  }
  const onAbort = () => {
    end()
    reject(signal.reason)
  }
  const next = () => {
    clearTimeout(timer)
    const address = waiting.shift()
    if (address !== undefined) begin(address)
    else if (attempts.size === 0) {
      end()
      reject(failureOf(errors))
    }
  }
  const begin = (host: string) => {
    const attempt = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: probeAfterMs })
    attempts.add(attempt)
    attempt.on('error', (error) => {
      if (!attempts.delete(attempt)) return
      errors.push(connectFailure(error))
      next()
    })
    attempt.once('connect', () => {
      attempts.delete(attempt)
      end()
      resolve(attempt)
    })
    if (waiting.length > 0) timer = setTimeout(next, attemptDelayMs)
  }

  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  else next()
  return promise
}

/** Milliseconds without a byte after which the system looks whether the other side is there. */
const probeAfterMs = 60_000

/** The system's own limit has the name here that it has on established connections as well. */
export function connectFailure(error: NodeJS.ErrnoException): NodeJS.ErrnoException {
  if (error.code !== 'ETIMEDOUT') return error
  return Object.assign(new Error('No connection in time', { cause: error.message }), { code: 'ERR_CONNECT_TIMEOUT' })
}

/** One that says most comes first: an address without a route says nothing of the host. */
function failureOf(errors: readonly NodeJS.ErrnoException[]): Error {
  const says = ({ code }: NodeJS.ErrnoException) => (code === 'ENETUNREACH' || code === 'EADDRNOTAVAIL' ? 1 : 0)
  const [first, ...others] = errors.toSorted((one, other) => says(one) - says(other))
  if (!first) return Object.assign(new Error('The name has no address'), { code: 'ENOTFOUND' })
  return others.length === 0 ? first : new AggregateError([first, ...others], 'None of its addresses can be reached')
}

/** What a URL's host is for a socket: without brackets, and with its port. */
export function addressOf({ hostname, port, protocol }: URL): { readonly host: string; readonly port: number } {
  return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || (protocol === 'https:' ? 443 : 80)) }
}
