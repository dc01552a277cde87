import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { UpstreamTimeouts } from '../config/settings.ts'
import type { AccessToken } from '../credentials/access-token.ts'
import { ProxyError } from '../errors.ts'
import { readHeld } from '../forward/answer-reader.ts'
import type { Forwarder, Outcome } from '../forward/exchange.ts'
import type { Permit } from '../guard/guard.ts'
import { outgoingHeaders } from '../guard/headers.ts'
import type { Logger } from '../observe/logger.ts'
import type { RequestEvent } from '../observe/request-event.ts'
import type { ServedAccount } from './account.ts'
import { bodyFlows } from './arriving-body.ts'
import type { Deletion, Deletions } from './deletions.ts'
import { clientLeft, interruption } from './interruption.ts'
import { ownHeaders } from './own-headers.ts'
import { left, passOn } from './pass-on.ts'
import type { Place } from './places.ts'
import { readingAlong } from './reading-along.ts'
import {
  isRefusedForLoad,
  isRepeatable,
  type Repetition,
  repetitionOf,
  type Unanswered,
  waitBefore,
} from './repetition.ts'

/** A token that runs out while a long upload is on its way would cost the whole upload. Milliseconds. */
const minimumLifeForUpload = 60_000

interface Parts {
  readonly forwarder: Forwarder
  readonly deletions: Deletions
  readonly logger: Logger
  readonly userAgent: string
  /** Milliseconds after a request's arrival within which it may be sent to Google again. */
  readonly budget: number
  readonly timeouts: Pick<UpstreamTimeouts, 'idle' | 'idleBytes'>
  /** Aborts when the proxy is told to end; its reason is what those are told whose request was not sent yet. */
  readonly ending: AbortSignal
}

/** Sends a permitted request to Google, with a token, as often as is safe and useful (docs/adr/0014). */
export class Tries {
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Ends with an answer, or with the end of the client's connection; throws a ProxyError when there is no answer. */
  async run(
    request: IncomingMessage,
    response: ServerResponse,
    permit: Permit<ServedAccount>,
    event: RequestEvent,
  ): Promise<Outcome> {
    const deadline = performance.now() + this.#parts.budget
    const repetition = repetitionOf(permit.service, permit.route)
    const deletion = this.#parts.deletions.expectedOf(permit)
    const holds = (status: number) =>
      status === 401 ||
      (status === 200 && deletion !== null) ||
      (repetition.statuses.has(status) && performance.now() < deadline)
    try {
      return await this.#untilAnswered({ request, response, permit, event, repetition, holds, deletion, deadline })
    } catch (error) {
      if (error === clientLeft) return left
      throw error
    }
  }

  async #untilAnswered(sending: Sending): Promise<Outcome> {
    const { event, permit, repetition, deletion, deadline } = sending
    const { account, service } = permit
    let rejected: AccessToken | null = null
    if (service === 'STOW-RS' || asksFirst(sending.request)) await this.#bodyOf(sending)
    let place: Place | null = await this.#placeFor(sending, Number.POSITIVE_INFINITY)
    for (;;) {
      const { outcome, token } = await this.#try(sending, place)
      if (outcome.kind === 'answered' || outcome.kind === 'cut') return outcome
      if (outcome.kind === 'held' && outcome.answer.status === 200 && deletion) {
        return deletion.conclude(outcome.answer, sending.response, event)
      }
      if (outcome.kind === 'held' && outcome.answer.status === 401) {
        if (rejected) {
          readHeld(readingAlong(permit, event), outcome.answer)
          throw rejectedTwice(account.name)
        }
        rejected = token
        account.tokens.invalidate(token)
        // Also so that the client's next request meets a token that works, should this one not be repeated.
        await this.#tokenFor(sending)
        if (!outcome.replayable) throw tooLargeToRepeat()
        place = await this.#placeFor(sending, Number.POSITIVE_INFINITY)
        continue
      }
      const wait = waitBefore(event.attempts, outcome)
      const isLast = !isRepeatable(repetition, outcome) || performance.now() + wait > deadline
      if (isLast || !(await this.#pause(sending, wait))) return giveUp(sending, outcome)
      // Rather what Google said than that there is no room to ask again.
      place = await this.#placeFor(sending, deadline - performance.now()).catch(nowhere)
      if (!place) return giveUp(sending, outcome)
    }
  }

  /** Lets a body come, if there is a token for it, and waits until an upload's does where places are scarce. */
  async #bodyOf(sending: Sending): Promise<void> {
    await this.#tokenFor(sending)
    allowBody(sending)
    const { account, service } = sending.permit
    if (service !== 'STOW-RS' || !account.places[service].scarce) return
    await bodyFlows(sending.request, this.#parts.timeouts, () => interruption(sending))
  }

  /** One try, in its place. Waiting for the next one takes no place. */
  async #try(sending: Sending, place: Place): Promise<{ outcome: Outcome; token: AccessToken }> {
    let refused = false
    try {
      const token = await this.#tokenFor(sending)
      // No 'close' comes any more that would end a try.
      if (sending.response.destroyed) throw clientLeft
      const outcome = await this.#send(sending, token)
      refused = isRefusedForLoad(outcome)
      return { outcome, token }
    } finally {
      place.leave(refused)
    }
  }

  async #placeFor(sending: Sending, longest: number): Promise<Place> {
    const { account, service } = sending.permit
    const places = account.places[service]
    const place = places.enter()
    if (place) return place
    const { signal, done } = interruption(sending, this.#parts.ending)
    try {
      return await places.wait(sending.event.whose, signal, longest)
    } finally {
      done()
    }
  }

  /** False when the proxy ends meanwhile: there is no time for another try. */
  async #pause(sending: Sending, milliseconds: number): Promise<boolean> {
    const { signal, done } = interruption(sending, this.#parts.ending)
    await delay(milliseconds, undefined, { signal }).catch(() => {})
    done()
    if (sending.response.destroyed) throw clientLeft
    return !signal.aborted
  }

  async #send({ request, response, permit, event, holds }: Sending, token: AccessToken): Promise<Outcome> {
    const { account, service, route, path } = permit
    const { dicomWebUrl: origin, urls } = account
    const headers = this.#headersFor(request, permit, token)
    event.attempts += 1
    const { requestId, attempts: attempt, progress } = event
    const readAnswer = readingAlong(permit, event)
    const exchange = { request, response, service, origin, path, headers, urls, holds, attempt, readAnswer, progress }
    const outcome = await this.#parts.forwarder.forward(exchange, token)
    const { kind } = outcome
    const status = outcome.kind === 'held' ? outcome.answer.status : 'status' in outcome ? outcome.status : null
    this.#parts.logger.debug(
      { requestId, account: account.name, service, route, attempt, kind, status },
      'sent to Google',
    )
    return outcome
  }

  async #tokenFor({ permit: { account, service }, event }: Sending): Promise<AccessToken> {
    const token = await account.tokens.token(service === 'STOW-RS' ? minimumLifeForUpload : 0)
    event.tokenReceived()
    return token
  }

  #headersFor(
    request: IncomingMessage,
    { account, service }: Permit<ServedAccount>,
    token: AccessToken,
  ): Record<string, string> {
    const headers = { ...outgoingHeaders(request.headers), ...ownHeaders(this.#parts.userAgent, account, token) }
    // A compressed answer could not be rewritten, and the proxy reads what became of instances, and a deletion's operation.
    if (account.urls || service === 'STOW-RS' || service === 'DELETE') delete headers['accept-encoding']
    return headers
  }
}

/** A request on its way, through all of its tries. */
interface Sending {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly permit: Permit<ServedAccount>
  readonly event: RequestEvent
  readonly repetition: Repetition
  readonly holds: (status: number) => boolean
  readonly deletion: Deletion | null
  /** No try begins after it; by `performance.now()`. */
  readonly deadline: number
}

/** A client that asks before it sends (RFC 9110 10.1.1) asks us. */
function asksFirst(request: IncomingMessage): boolean {
  return /100-continue/i.test(request.headers.expect ?? '') && request.httpVersion === '1.1'
}

/** Nothing stands in the way of its body any more. */
function allowBody({ request, response }: Sending): void {
  if (asksFirst(request)) response.writeContinue()
}

/** The last that Google said goes to the client whole; if it said nothing, the proxy says why. */
async function giveUp({ response, permit, event }: Sending, outcome: Unanswered): Promise<Outcome> {
  if (outcome.kind === 'failed') throw outcome.error
  const { answer } = outcome
  readHeld(readingAlong(permit, event), answer)
  return passOn({ response, account: permit.account }, answer, event)
}

/** For want of a place, and for nothing else. */
function nowhere(error: unknown): null {
  if (error instanceof ProxyError) return null
  throw error
}

function tooLargeToRepeat(): ProxyError {
  const detail =
    'Google rejected the access token while the instances were being sent, and they are too many to be kept and sent again from here. A fresh token is ready: send them again.'
  return new ProxyError('token-renewed', detail, { retryAfter: 1 })
}

function rejectedTwice(account: string): ProxyError {
  const detail = `Google rejects even a fresh access token of account ${account}: its service account or user may be disabled, or the token may be for another API. Check the credential.`
  return new ProxyError('token-rejected', detail)
}
