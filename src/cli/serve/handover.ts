import { existsSync } from 'node:fs'
import type { Logger } from '../../observe/logger.ts'
import type { RunningProxy } from '../../proxy/proxy.ts'
import { notifyServiceManager, whyNotReplaceable } from './service-manager.ts'
import { Successor } from './successor.ts'

interface HandoverOptions {
  readonly proxy: Pick<RunningProxy, 'sockets' | 'withoutToken' | 'accountUrls'>
  readonly logger: Logger
  readonly process: NodeJS.Process
}

/**
 * Hands the proxy's addresses to a successor, at each request until one has taken over
 * (docs/adr/0039). Until then, this process goes on serving.
 */
export class Handover {
  readonly #options: HandoverOptions
  readonly #done = Promise.withResolvers<Successor>()
  #successor: Successor | null = null
  #state: 'serving' | 'starting' | 'ended' = 'serving'

  constructor(options: HandoverOptions) {
    this.#options = options
  }

  /** Resolves when a successor accepts connections at the same addresses. */
  get done(): Promise<Successor> {
    return this.#done.promise
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const { logger } = this.#options
    if (this.#state !== 'serving') {
      logger.info(this.#hasEnded ? 'no restart: this process is about to end' : 'a restart has begun already')
      return
    }
    this.#state = 'starting'
    try {
      const successor = await this.#start()
      // This process may have been told to end meanwhile.
      if (this.#hasEnded) return
      this.#state = 'ended'
      this.#done.resolve(successor)
    } catch (error) {
      if (this.#hasEnded) return
      await this.#successor?.stop()
      if (this.#hasEnded) return
      this.#state = 'serving'
      logger.error({ reason: (error as Error).message }, 'restart failed; this process goes on serving')
    }
  }

  /** This process ends without a successor: one that is starting ends, too. */
  async cancel(): Promise<void> {
    const isStarting = this.#state === 'starting'
    this.#state = 'ended'
    if (isStarting) await this.#successor?.stop()
  }

  get #hasEnded(): boolean {
    return this.#state === 'ended'
  }

  async #start(): Promise<Successor> {
    const { proxy, logger, process } = this.#options
    this.#successor = null
    const { sockets } = proxy
    const reason = whyNotReplaceable(process)
    if (reason !== null) throw new Error(reason)
    const folder = process.cwd()
    if (!existsSync(folder))
      throw new Error(`The working directory ${folder} does not exist any more: create it again.`)
    const successor = new Successor(process, sockets)
    this.#successor = successor
    logger.info({ successor: successor.pid }, 'restarting: a successor is started')
    const withoutToken = await successor.prepared()
    const lost = withoutToken.filter((name) => this.#hasToken(name))
    if (lost.length > 0)
      throw new Error(`It got no access token for ${lost.join(', ')}, and this process has one: the log says why.`)
    await successor.serve()
    await this.#announce(successor)
    return successor
  }

  async #announce(successor: Successor): Promise<void> {
    const { env, pid } = this.#options.process
    const problem = await notifyServiceManager(env, `MAINPID=${successor.pid}`)
    const reason = problem ?? successor.end
    if (reason === null) return
    await notifyServiceManager(env, `MAINPID=${pid}`)
    throw new Error(reason)
  }

  #hasToken(account: string): boolean {
    const { proxy } = this.#options
    return proxy.accountUrls.has(account) && !proxy.withoutToken().includes(account)
  }
}
