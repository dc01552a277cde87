import { Agent, type AgentOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import { outgoingProxyFor } from '../config/outgoing-proxy.ts'
import type { OutgoingSettings } from '../config/settings.ts'
import { openTunnel, tunnelRefused } from './tunnel.ts'

type Options = Parameters<Agent['createConnection']>[0]
type Callback = NonNullable<Parameters<Agent['createConnection']>[1]>

/** Connections of uploads over TLS, through the outgoing proxy where one leads there. */
export class UploadAgent extends Agent {
  readonly #outgoing: OutgoingSettings

  constructor(options: AgentOptions, outgoing: OutgoingSettings) {
    super(options)
    this.#outgoing = outgoing
  }

  override createConnection(options: Options, callback?: Callback): Duplex | null | undefined {
    const host = options.host ?? ''
    const target = URL.parse(`https://${host.includes(':') ? `[${host}]` : host}:${options.port ?? 443}`)
    const proxy = target && outgoingProxyFor(target, this.#outgoing)
    if (!target || !proxy || !callback) return super.createConnection(options, callback)
    void this.#throughTunnel(proxy, target, options, callback)
    return undefined
  }

  async #throughTunnel(proxy: URL, target: URL, options: Options, callback: Callback): Promise<void> {
    try {
      const authority = `${target.hostname}:${target.port || 443}`
      const { status, socket } = await openTunnel(proxy, authority, this.#outgoing.timeouts.connect)
      if (status !== 200) {
        socket.destroy()
        throw tunnelRefused(status)
      }
      callback(null, super.createConnection({ ...options, socket } as Options) as Duplex)
    } catch (error) {
      callback(error as Error, undefined as never)
    }
  }
}
