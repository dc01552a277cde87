import { abortable, abortOnClose, clientGone } from '../../concurrency/abort.ts'
import type { UpstreamTimeouts } from '../../config/settings.ts'
import type { Inbound } from '../../downstream/inbound.ts'
import { bug, ProxyError } from '../../errors.ts'
import { parameterOf } from '../../forward/accepted-types.ts'
import type { WholeResponse } from '../../forward/buffered-response.ts'
import type { Outcome } from '../../forward/exchange.ts'
import { observeInPieces } from '../../forward/response-observer.ts'
import type { Permit } from '../../guard/guard.ts'
import type { RequestEvent } from '../../observe/request-event.ts'
import { searchingFirst } from '../../stores/google-refusal.ts'
import type { ServedAccount } from '../account.ts'
import {
  afterConnection,
  allowBody,
  headersFor,
  minTokenLifeForUploadMs,
  rejectedTwice,
  tooLargeToResend,
} from '../attempts.ts'
import { observeResponse } from '../observe-response.ts'
import type { PreparedRequest } from '../search-completion/search-completion.ts'
import { clientGoneOutcome, sendBuffered } from '../send-buffered.ts'
import type { BatchAttempts, ComingUpload } from './batch-attempts.ts'
import { failuresIn, hasFailures, mergedBody, mergedHeaders } from './merged-response.ts'
import { MultipartError } from './multipart-parser.ts'
import type { ParallelStow } from './parallel-stow.ts'
import { ParallelUpload, type UploadResult } from './parallel-upload.ts'
import type { StoredInstances } from './stored-instances.ts'

interface ParallelUploadsOptions {
  readonly attempts: BatchAttempts
  readonly stored: StoredInstances
  readonly timeouts: Pick<UpstreamTimeouts, 'idle' | 'minBodyRate'>
  readonly ending: AbortSignal
}

type UploadPermit = Permit<ServedAccount>

/** Uploads that are sent in batches (docs/adr/0037). */
export class ParallelUploads {
  readonly #options: ParallelUploadsOptions

  constructor(options: ParallelUploadsOptions) {
    this.#options = options
  }

  /** The boundary of a request that can be sent in batches; null for others. */
  boundaryOf({ request }: Inbound, { service, account }: UploadPermit): string | null {
    if (service !== 'STOW-RS' || !account.parallelStow) return null
    return request.headers['content-encoding'] === undefined
      ? instancesBoundary(request.headers['content-type'] ?? '')
      : null
  }

  prepare(permit: UploadPermit, boundary: string): PreparedRequest {
    return { permit, run: (inbound, event) => this.#run(inbound, permit, event, boundary) }
  }

  /** Ends as `Attempts.run()` does. */
  async #run(inbound: Inbound, permit: UploadPermit, event: RequestEvent, boundary: string): Promise<Outcome> {
    const { parallelStow } = permit.account
    const { attempts, stored, timeouts } = this.#options
    const { 'content-length': _, ...headers } = headersFor(inbound.request, permit)
    const shared = parallelStow as ParallelStow
    const { ceiling } = shared
    const upload = { inbound, permit, event, headers, ceiling, tokens: new Set<string>() }
    try {
      await this.#awaitToken(upload)
    } catch (error) {
      if (error === clientGone) return clientGoneOutcome
      throw error
    }
    allowBody(upload)
    event.batches = { sent: 0, repeated: 0, inFlight: 0, instances: 0, failed: 0 }
    const result = await new ParallelUpload(upload, { shared, attempts, stored, timeouts, boundary }).run()
    return respond(upload, result)
  }

  /** Without one, the body need not come. */
  async #awaitToken({ inbound, permit, event }: ComingUpload): Promise<void> {
    const { signal, done } = abortOnClose(inbound, this.#options.ending)
    try {
      await abortable(permit.account.tokens.token(minTokenLifeForUploadMs), signal)
      event.tokenReceived()
    } finally {
      done()
    }
  }
}

const maxBoundaryLength = 200

/** The boundary of a body of instances (PS3.18 8.6.1.2.1); null for any other type. */
export function instancesBoundary(contentType: string): string | null {
  if (!/^multipart\/related\s*(?:;|$)/i.test(contentType)) return null
  if (parameterOf(contentType, 'type').toLowerCase() !== 'application/dicom') return null
  const boundary = parameterOf(contentType, 'boundary')
  return boundary.length <= maxBoundaryLength && /^[\x20-\x7e]*[\x21-\x7e]$/.test(boundary) ? boundary : null
}

async function respond(upload: ComingUpload, result: UploadResult): Promise<Outcome> {
  const { failure, outcomes } = result
  const response = mergedResponse(upload, result)
  if (failure !== null) {
    // What was stored is on record all the same.
    if (response) await observe(upload, response)
    if (failure === clientGone) return clientGoneOutcome
    throw failure instanceof MultipartError ? malformedBody(failure, outcomes.length > 0) : failure
  }
  upload.event.batchFailures = failuresIn(outcomes)
  if (response) return send(upload, response)
  const { refusal, error } = result.last
  if (refusal?.status === 401) {
    throw upload.event.attempts > 1 ? rejectedTwice(upload.event, upload.permit) : tooLargeToResend()
  }
  if (refusal) return send(upload, refusal)
  throw error ? explained(error) : new ProxyError('internal', bug)
}

/** The upload may have been stored after all. */
function explained(error: ProxyError): ProxyError {
  return afterConnection.has(error.code) ? error.explained(searchingFirst(error)) : error
}

/** What a client is told of a body that can't be read. */
function malformedBody({ message: problem }: MultipartError, hasBegun: boolean): ProxyError {
  const remedy = hasBegun
    ? 'Correct the body, and search for what was stored of it before you send it again.'
    : 'Check how the client writes multipart/related (RFC 2046 5.1.1).'
  return new ProxyError('malformed-request', { problem, remedy })
}

/** Null if nothing is known to be stored, and Google named no instance. */
function mergedResponse({ inbound }: ComingUpload, { outcomes, last }: UploadResult): WholeResponse | null {
  const [only] = outcomes
  const isAlone =
    outcomes.length === 1 && only?.document && only.corrected.length + only.found.length + only.lost.length === 0
  if (isAlone) return last.document
  const documents = outcomes.flatMap(({ document }) => document ?? [])
  if (documents.length === 0 && outcomes.every(({ found }) => found.length === 0)) return null
  const form = documents[0]?.form ?? (/json/i.test(inbound.request.headers.accept ?? '') ? 'json' : 'xml')
  const body = mergedBody(outcomes, form)
  const headers = last.document
    ? mergedHeaders(last.document, body)
    : { 'content-type': `application/dicom+${form}`, 'content-length': String(body.length) }
  return { status: hasFailures(outcomes) ? 409 : 200, headers, body }
}

async function send(upload: ComingUpload, response: WholeResponse): Promise<Outcome> {
  await observe(upload, response)
  return sendBuffered({ response: upload.inbound.response, account: upload.permit.account }, response, upload.event)
}

function observe({ permit, event, tokens }: ComingUpload, response: WholeResponse): Promise<void> {
  return observeInPieces(observeResponse(permit, event, tokens), response)
}
