import { Server as HttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { ListenAddress } from '../config/settings.ts'
import type { TlsMaterial } from '../config/tls.ts'
import { secureContext } from '../server/tls.ts'

/**
 * Opens a listener. Resolves with its root URL without a trailing slash: `http://127.0.0.1:8043`.
 */
export async function listen(listener: FastifyInstance, { host, port }: ListenAddress): Promise<string> {
  // For `localhost`, fastify would open a second server for ::1 that lacks the hooks of the first.
  await listener.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port })
  const { address, family, port: chosen } = listener.server.address() as AddressInfo
  const scheme = listener.server instanceof HttpsServer ? 'https' : 'http'
  return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${chosen}`
}

/** Replaces a TLS listener's certificate, key and CAs. Open connections stay. */
export function renewTls({ server }: FastifyInstance, material: TlsMaterial): void {
  if (server instanceof HttpsServer) server.setSecureContext(secureContext(material))
}

/** The failure as a message for users. */
export function startFailure(cause: unknown): StartFailure {
  if (cause instanceof StartFailure) return cause
  return new StartFailure(listenFailure(cause), { cause })
}

const reasons: Record<string, string> = {
  EADDRINUSE: 'another program listens there: end it, or change DicomWebProxy.Listen or AdminListen',
  EADDRNOTAVAIL: 'this machine has no such address: change DicomWebProxy.Listen or AdminListen',
  EACCES: 'this user may not: choose a port above 1023 in DicomWebProxy.Listen or AdminListen',
}

function listenFailure(cause: unknown): string {
  const { code, address, port, message } = cause as NodeJS.ErrnoException & { address?: string; port?: number }
  const reason = reasons[code ?? '']
  return reason ? `Can't listen on ${address}:${port}: ${reason}.` : `Can't start: ${message}`
}

/**
 * Why the proxy can't start or can't apply a configuration: a message for users, without a stack.
 */
export class StartFailure extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StartFailure'
  }
}
