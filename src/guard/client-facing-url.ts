import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Settings } from '../config/settings.ts'
import { canonicalAddress, networkAllowList } from './address.ts'

type Request = Pick<IncomingMessage, 'headers' | 'socket'>

/**
 * A host, and perhaps a port, that can stand in JSON, XML and headers as it is. RFC 3986 allows
 * more characters, which no name that can be resolved has.
 */
const plainHost = /^(\[[0-9a-f:.]+\]|[\w.-]+)(:\d{1,5})?$/i

/**
 * Where a client reaches the data listener: `PublicUrl`, else the address that it has used. What
 * another proxy says about that counts only if it is trusted: the value that it added itself, which
 * is the last one.
 *
 * @returns a URL without a slash at its end
 */
export function clientFacingUrl({
  publicUrl,
  trustedProxies,
}: Pick<Settings, 'publicUrl' | 'trustedProxies'>): (request: Request) => string {
  if (publicUrl !== null) return () => publicUrl
  const isTrusted = networkAllowList(trustedProxies)
  return ({ headers, socket }) => {
    const isForwarded = trustedProxies.length > 0 && isTrusted(canonicalAddress(socket.remoteAddress))
    const { proto, host } = isForwarded ? forwarded(headers) : {}
    const scheme = proto ?? (socket instanceof TLSSocket ? 'https' : 'http')
    return `${scheme}://${host ?? plain(headers.host) ?? localHost(socket)}`
  }
}

/** What `Forwarded` (RFC 7239) says, else the headers that were there before it. */
function forwarded(headers: Request['headers']): { proto?: string | undefined; host?: string | undefined } {
  if (headers.forwarded === undefined) {
    return { proto: scheme(last(headers['x-forwarded-proto'])), host: plain(last(headers['x-forwarded-host'])) }
  }
  const pairs = new Map(last(headers.forwarded)?.split(';').map(pair))
  return { proto: scheme(pairs.get('proto')), host: plain(pairs.get('host')) }
}

function pair(text: string): [string, string] {
  const at = text.indexOf('=')
  const value = text.slice(at + 1).trim()
  return [text.slice(0, at).trim().toLowerCase(), value.startsWith('"') ? value.slice(1, -1) : value]
}

function last(list: string | string[] | undefined): string | undefined {
  return list === undefined ? undefined : String(list).split(',').at(-1)?.trim()
}

function scheme(text: string | undefined): string | undefined {
  const lower = text?.toLowerCase()
  return lower === 'https' || lower === 'http' ? lower : undefined
}

function plain(host: string | undefined): string | undefined {
  return host !== undefined && plainHost.test(host) ? host : undefined
}

/** HTTP/1.0 has requests without a Host. */
function localHost({ localAddress, localPort }: Request['socket']): string {
  const address = canonicalAddress(localAddress)
  return `${address.includes(':') ? `[${address}]` : address}:${localPort}`
}
