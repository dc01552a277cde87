import type { DicomWebService, OutgoingSettings } from '../config/settings.ts'
import type { Connections } from './connections.ts'
import type { Sender } from './exchange.ts'
import { HttpProxySender } from './http-proxy-sender.ts'
import { UndiciSender } from './undici-sender.ts'

export type Senders = Readonly<Record<DicomWebService, Sender>>

/** By service, of which STOW-RS alone has requests with a body. */
export function createSenders(connections: Connections, { timeouts }: Pick<OutgoingSettings, 'timeouts'>): Senders {
  const bodyless = new UndiciSender(connections.dispatcher, timeouts)
  const upload = new HttpProxySender({ connections, timeouts })
  return { 'STOW-RS': upload, 'QIDO-RS': bodyless, 'WADO-RS': bodyless, DELETE: bodyless }
}
