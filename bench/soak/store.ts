import { multipart } from '../../src/emulator/synthetic-study.ts'
import type { Counters } from './counters.ts'
import type { SentStudy } from './ledger.ts'
import type { Random } from './random.ts'
import type { Reply, Sending } from './sending.ts'

/**
 * Sends a study, chunked as Orthanc does or with its length, at once or slowly; sometimes without
 * waiting for the end.
 */
export function stowOf(url: string, { instances }: SentStudy, random: Random): Sending {
  const { contentType, contentLength, chunks } = multipart(
    instances.map(({ part }) => part),
    `soak-${random.int(1, 1e9)}`,
  )
  const headers: Record<string, string> = { 'content-type': contentType, accept: 'application/dicom+json' }
  if (random.chance(0.5)) headers['content-length'] = String(contentLength)
  const length = contentLength ?? 0
  return {
    method: 'POST',
    url: `${url}studies`,
    headers,
    body: cutUp(
      chunks,
      random.weighted([
        [8, 65_536],
        [1, 4_000],
        [1, length < 300_000 ? 50 : 4_000],
      ]),
    ),
    ...(random.chance(0.1) && { pace: 2 }),
    ...(random.chance(0.06) && { leaveSending: random.int(1, length) }),
    ...(random.chance(0.04) && { leaveAfter: random.int(1, 1_500) }),
  }
}

/** The same bytes in pieces of a certain size, which is also that of the chunks on the wire. */
function* cutUp(chunks: Iterable<Buffer>, size: number): Generator<Buffer> {
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += size) yield chunk.subarray(at, at + size)
  }
}

type Item = Record<string, { Value?: readonly string[] } | undefined>
interface StoreResponse {
  readonly '00081198'?: { Value?: readonly Item[] }
  readonly '00081199'?: { Value?: readonly Item[] }
}

/**
 * Records what the response to an upload says, as a client would.
 *
 * @param isInBatches whether a batch may fail alone, so that some of the instances are failures
 */
export function learnStored(sent: SentStudy, reply: Reply, isInBatches: boolean, counters: Counters): void {
  const isReport = reply.kind === 'whole' && (reply.status === 200 || reply.status === 409)
  const response = isReport ? parsed(reply.body) : null
  if (response === null) {
    sent.inDoubt = true
    if (isReport)
      counters.violation(
        `STOW-RS ${sent.study} at ${sent.account}: ${reply.status} with a body that is no store response`,
      )
    return
  }
  const stored = instancesIn(response['00081199']?.Value)
  const failed = instancesIn(response['00081198']?.Value)
  counters.duplicates.identical += (response['00081199']?.Value ?? []).filter(isIdentical).length
  for (const instance of sent.instances) {
    const failure = failed.get(instance.instance)
    if (stored.has(instance.instance)) instance.known = 'stored'
    else if (failure && /already exists/.test(detailOf(failure))) {
      // It isn't there with other bytes: the audit would see that.
      counters.duplicates.refused += 1
      instance.known = 'stored'
    } else if (failure && isInBatches) {
      counters.failures += 1
      sent.inDoubt = true
    } else if (!failure)
      counters.violation(`STOW-RS ${sent.study} at ${sent.account}: ${instance.instance} is neither stored nor refused`)
    else
      counters.violation(
        `STOW-RS ${sent.study} at ${sent.account}: ${instance.instance} is refused: ${detailOf(failure)}`,
      )
  }
}

function parsed(body: Buffer): StoreResponse | null {
  try {
    return JSON.parse(String(body))
  } catch {
    return null
  }
}

function instancesIn(items: readonly Item[] = []): Map<string, Item> {
  return new Map(items.map((item) => [item['00081155']?.Value?.[0] ?? '', item]))
}

/** FailureDetailJSON. */
function detailOf(item: Item): string {
  return item['00091097']?.Value?.[0] ?? ''
}

/** The proxy's own Warning Reason. */
function isIdentical(item: Item): boolean {
  return Number(item['00081196']?.Value?.[0]) === 0xb111
}
