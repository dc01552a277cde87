import { Agent } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Counters } from './counters.ts'
import { type Ledger, newStudy, type SentStudy } from './ledger.ts'
import type { Random } from './random.ts'
import { deleteOf, learnDeleted } from './removal.ts'
import { checkRetrieved, instanceRetrieval, studyRetrieval, wadoOf } from './retrieve.ts'
import { checkFound, searchFor } from './search.ts'
import { type Reply, type Sending, send } from './sending.ts'
import { sendInHttp10 } from './sending-1-0.ts'
import { learnStored, stowOf } from './store.ts'

interface Parts {
  readonly account: string
  /** Of the account at the proxy, with a slash at the end. */
  readonly url: string
  readonly isInBatches: boolean
  readonly ledger: Ledger
  readonly counters: Counters
  readonly random: Random
  /** A number that no other study has. */
  readonly nextSeed: () => number
}

/** How many studies a client leaves in the store before it deletes some. */
const maxStudies = 20

/**
 * One of many concurrent clients of the proxy. It sends its own studies, which no other touches.
 */
export class Client {
  readonly #parts: Parts
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  /** Studies that are in the store: wholly, partly or possibly. */
  #studies: SentStudy[] = []

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Sends one request after another until the signal aborts. */
  async run(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      await this.#act()
      await delay(this.#parts.random.int(0, 40))
    }
    this.#agent.destroy()
  }

  async #act(): Promise<void> {
    const { random } = this.#parts
    const [first, ...others] = this.#studies
    if (!first || random.chance(0.3)) return this.#store()
    const study = random.pick([first, ...others])
    if (this.#studies.length > maxStudies) return this.#remove(study, false)
    const action = random.weighted([
      [10, () => this.#search(study)],
      [8, () => this.#retrieve(study)],
      [1, () => this.#retrieveInHttp10(study)],
      [1, () => this.#remove(study, true)],
      [1, () => this.#remove(study, false)],
      [2, () => this.#storeAgain(study)],
    ])
    await action()
  }

  async #store(): Promise<void> {
    const { account, random, ledger, nextSeed } = this.#parts
    const study = newStudy(account, nextSeed(), random)
    ledger.add(study)
    this.#studies.push(study)
    await this.#stow(study, 'STOW-RS')
  }

  /** What a person does after a failed job. The store refuses what it has. */
  async #storeAgain(study: SentStudy): Promise<void> {
    if (study.instances.some(({ known }) => known === 'deleted')) return
    await this.#stow(study, 'STOW-RS again')
  }

  async #stow(study: SentStudy, what: string): Promise<void> {
    const { url, random, counters, isInBatches } = this.#parts
    const sending = stowOf(url, study, random)
    const framing = 'content-length' in sending.headers ? 'with length' : 'chunked'
    learnStored(study, await this.#send(sending, `${what}, ${framing}`), isInBatches, counters)
  }

  async #search(study: SentStudy): Promise<void> {
    const { url, counters } = this.#parts
    checkFound(study, await this.#send(searchFor(url, study), 'QIDO-RS'), counters)
  }

  async #retrieve(study: SentStudy): Promise<void> {
    const { url, counters, random } = this.#parts
    const ofStudy = random.chance(0.5)
    const [first, ...others] = study.instances
    if (!first) return
    const retrieval = ofStudy
      ? studyRetrieval(url, study)
      : instanceRetrieval(url, study, random.pick([first, ...others]), random)
    const reply = await this.#send(wadoOf(retrieval, random), ofStudy ? 'WADO-RS, study' : 'WADO-RS, instance')
    checkRetrieved(study, retrieval, reply, counters)
  }

  async #retrieveInHttp10(study: SentStudy): Promise<void> {
    const { url, counters, random } = this.#parts
    const retrieval = studyRetrieval(url, study)
    const reply = await sendInHttp10(retrieval.url, retrieval.accept, random.chance(0.3))
    this.#count('WADO-RS, HTTP/1.0', reply)
    checkRetrieved(study, retrieval, reply, counters)
  }

  async #remove(study: SentStudy, oneOnly: boolean): Promise<void> {
    const { url, counters, random } = this.#parts
    const [first, ...others] = study.instances
    if (!first) return
    const one = oneOnly ? random.pick([first, ...others]) : null
    const reply = await this.#send(deleteOf(url, study, one, random), one ? 'DELETE, instance' : 'DELETE, study')
    learnDeleted(study, one, reply, counters)
    // The outcome of a deletion without a response shows only at the end; until then, nothing is
    // certain about this study.
    if (!one || study.inDoubt) this.#studies = this.#studies.filter((other) => other !== study)
  }

  async #send(sending: Sending, what: string): Promise<Reply> {
    const reply = await send(sending, this.#agent)
    this.#count(what, reply)
    return reply
  }

  #count(what: string, reply: Reply): void {
    const { counters, account } = this.#parts
    counters.count(what, endOf(reply))
    if (reply.kind === 'stuck') counters.violation(`${what} at ${account}: neither a response nor an end`)
    if (reply.kind === 'whole' && reply.status === 401) counters.violation(`${what} at ${account}: 401`)
    if (reply.kind === 'whole' && String(reply.body.subarray(0, 4_096)).includes('"code":"internal"'))
      counters.violation(`${what} at ${account}: an internal error`)
  }
}

function endOf(reply: Reply): string {
  if (reply.kind === 'whole') return String(reply.status)
  return reply.kind === 'broken' && reply.status !== null ? `broken in ${reply.status}` : reply.kind
}
