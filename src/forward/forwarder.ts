import type { OutgoingSettings } from '../config/settings.ts'
import { BodylessTransport } from './bodyless-transport.ts'
import type { Connections } from './connections.ts'
import type { Forwarder } from './exchange.ts'
import type { Keeping } from './kept-body.ts'
import { UploadTransport } from './upload-transport.ts'

/** Both transports behind one interface: which one a request takes depends on whether it has a body. */
export function createForwarder(
  connections: Connections,
  { timeouts, verifyPeers }: OutgoingSettings,
  keeping: Keeping,
): Forwarder {
  const bodyless = new BodylessTransport(connections.dispatcher, timeouts)
  const upload = new UploadTransport({ connections, timeouts, verifyPeers, keeping })
  return {
    forward: (exchange, token) => (exchange.service === 'STOW-RS' ? upload : bodyless).forward(exchange, token),
  }
}
