import { closeSync } from 'node:fs'
import { Server as HttpsServer } from 'node:https'
import { type AddressInfo, Server as NetServer } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import type { FastifyInstance } from 'fastify'
import { hostAndPort } from '../config/loopback.ts'
import type { ListenAddress } from '../config/settings.ts'
import type { TlsMaterial } from '../config/tls.ts'
import { secureContext } from '../server/tls.ts'

/** An open listening socket, which another process may take over (docs/adr/0039). */
export interface ListeningSocket {
  /** As configured: of port 0, not the port that was chosen. */
  readonly address: ListenAddress
  /** Its file descriptor. */
  readonly fd: number
}

export interface ListeningSockets {
  readonly data: ListeningSocket | null
  readonly admin: ListeningSocket | null
}

/**
 * Opens a listener. Resolves with its root URL without a trailing slash: `http://127.0.0.1:8043`.
 *
 * @param inherited is used instead of a new one if it is for this address, and closed otherwise:
 * clients would wait for ever at a socket that nobody accepts from
 */
export async function listen(
  listener: FastifyInstance,
  listenAddress: ListenAddress,
  inherited: ListeningSocket | null,
): Promise<string> {
  const { host, port } = listenAddress
  const isSame = inherited && isDeepStrictEqual(inherited.address, listenAddress)
  if (inherited && !isSame) closeSync(inherited.fd)
  // For `localhost`, fastify would open a second server for ::1 that lacks the hooks of the first.
  const name = host === 'localhost' ? '127.0.0.1' : host
  await listener.listen(isSame ? ({ host: name, fd: inherited.fd } as { host: string }) : { host: name, port })
  const { address, family, port: chosen } = listener.server.address() as AddressInfo
  const scheme = listener.server instanceof HttpsServer ? 'https' : 'http'
  return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${chosen}`
}

/** Null if the listener isn't open, or on Windows, where sockets have no descriptors. */
export function socketOf({ server }: FastifyInstance, address: ListenAddress): ListeningSocket | null {
  const { _handle: handle } = server as typeof server & { readonly _handle?: { readonly fd?: number } | null }
  const fd = handle?.fd ?? -1
  return fd >= 0 ? { address, fd } : null
}

/**
 * Accepts no more connections. Those that are open stay, and are served: Node's own `close` of an
 * HTTP server would close those that are idle, under a request that a client may just be sending,
 * and would no longer look for request headers that take too long.
 *
 * Resolves when the last connection has ended.
 */
export function stopAccepting({ server }: FastifyInstance): Promise<void> {
  return new Promise((resolve) => NetServer.prototype.close.call(server, () => resolve()))
}

/** Replaces a TLS listener's certificate, key and CAs. Open connections stay. */
export function renewTls({ server }: FastifyInstance, material: TlsMaterial): void {
  if (server instanceof HttpsServer) server.setSecureContext(secureContext(material))
}

/**
 * The failure as a message for users.
 *
 * @param inherited of the predecessor, which listens until this process does
 */
export function startFailure(cause: unknown, inherited?: ListeningSockets): StartFailure {
  if (cause instanceof StartFailure) return cause
  const taken = [inherited?.data, inherited?.admin].find((socket) => socket && isTakenBy(cause, socket.address))
  const message = taken ? takenFailure(cause, taken.address) : listenFailure(cause)
  return new StartFailure(message, { cause, isPermanent: isPermanent(cause) })
}

function isTakenBy(cause: unknown, { port }: ListenAddress): boolean {
  const { code, port: wanted } = cause as ListenError
  return code === 'EADDRINUSE' && wanted === port
}

function takenFailure(cause: unknown, predecessors: ListenAddress): string {
  const { address = '', port = 0 } = cause as ListenError
  const addresses = [{ host: address, port }, predecessors].map(hostAndPort)
  return `Can't listen on ${addresses.join(' while the predecessor listens on ')}: stop the proxy, and start it again, because this change takes an outage.`
}

const reasons: Record<string, string> = {
  EADDRINUSE:
    'another program listens there, perhaps another gcp-dicomweb-proxy: end it, or change DicomWebProxy.Listen or AdminListen',
  EADDRNOTAVAIL: 'this machine has no such address: change DicomWebProxy.Listen or AdminListen',
  EACCES: 'this user may not: choose a port above 1023 in DicomWebProxy.Listen or AdminListen',
}

interface ListenError extends NodeJS.ErrnoException {
  readonly address?: string
  readonly port?: number
}

/** Whether it takes somebody to change something: an address may yet come to this machine. */
function isPermanent(cause: unknown): boolean {
  const { code, address } = cause as ListenError
  return address !== undefined && (code === 'EADDRINUSE' || code === 'EACCES')
}

function listenFailure(cause: unknown): string {
  const { code, address, port, message } = cause as ListenError
  const reason = reasons[code ?? '']
  return reason
    ? `Can't listen on ${hostAndPort({ host: address ?? '', port: port ?? 0 })}: ${reason}.`
    : `Can't start: ${message}`
}

/**
 * Why the proxy can't start or can't apply a configuration: a message for users, without a stack.
 */
export class StartFailure extends Error {
  /** The same start would fail again. */
  readonly isPermanent: boolean

  constructor(message: string, { isPermanent = false, ...options }: ErrorOptions & { isPermanent?: boolean } = {}) {
    super(message, options)
    this.isPermanent = isPermanent
    this.name = 'StartFailure'
  }
}
