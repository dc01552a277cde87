import type { OutgoingSettings } from '../config/settings.ts'
import type { Connections } from './connections.ts'
import type { Forwarder } from './exchange.ts'
import { HttpProxySender } from './http-proxy-sender.ts'
import type { ReplayBudget } from './replay-body.ts'
import { UndiciSender } from './undici-sender.ts'

/** Both transports behind one interface: which one a request takes depends on whether it has a body. */
export function createForwarder(
  connections: Connections,
  { timeouts, verifyPeers }: OutgoingSettings,
  keeping: ReplayBudget,
): Forwarder {
  const bodyless = new UndiciSender(connections.dispatcher, timeouts)
  const upload = new HttpProxySender({ connections, timeouts, verifyPeers, keeping })
  return {
    forward: (exchange) => (exchange.service === 'STOW-RS' ? upload : bodyless).forward(exchange),
  }
}
