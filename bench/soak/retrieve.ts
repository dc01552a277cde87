import { createHash } from 'node:crypto'
import type { Counters } from './counters.ts'
import type { SentInstance, SentStudy } from './ledger.ts'
import { partsOf } from './parts.ts'
import type { Random } from './random.ts'
import type { Reply, Sending } from './sending.ts'

const inParts = 'multipart/related; type="application/dicom"; transfer-syntax=*'
const asFile = 'application/dicom; transfer-syntax=*'

/** A retrieval of a study, or of one instance as a file or in a part. */
export interface Retrieval {
  readonly url: string
  readonly accept: string
  /** The requested instances. */
  readonly requested: readonly SentInstance[]
  readonly asFile: boolean
}

export function studyRetrieval(url: string, { study, instances }: SentStudy): Retrieval {
  return { url: `${url}studies/${study}`, accept: inParts, requested: instances, asFile: false }
}

export function instanceRetrieval(url: string, { study }: SentStudy, sent: SentInstance, random: Random): Retrieval {
  const alone = random.chance(0.5)
  const { series, instance } = sent
  return {
    url: `${url}studies/${study}/series/${series}/instances/${instance}`,
    accept: alone ? asFile : inParts,
    requested: [sent],
    asFile: alone,
  }
}

/** Reads at once or late; sometimes disconnects. */
export function wadoOf({ url, accept }: Retrieval, random: Random): Sending {
  return {
    method: 'GET',
    url,
    headers: { accept },
    ...(random.chance(0.1) && { pause: random.int(100, 1_500) }),
    ...(random.chance(0.06) && { leaveReading: random.int(1, 300_000) }),
    ...(random.chance(0.03) && { leaveAfter: random.int(1, 500) }),
  }
}

/** A complete 200 has the right bytes of everything that is stored; a 404 must have a reason. */
export function checkRetrieved(
  sent: SentStudy,
  { requested, asFile }: Retrieval,
  reply: Reply,
  counters: Counters,
): void {
  if (reply.kind !== 'whole') return
  const what = `WADO-RS ${sent.study} at ${sent.account}`
  if (reply.status === 404 && requested.some(({ known }) => known === 'stored'))
    counters.violation(`${what}: 404 for what is stored`)
  if (reply.status !== 200) return
  const bodies = asFile ? [reply.body] : partsOf(reply.body, String(reply.headers['content-type']))
  if (!bodies) {
    counters.violation(`${what}: 200 that looks whole with a body that is not, ${reply.body.length} bytes`)
    return
  }
  const digests = new Set(bodies.map((body) => createHash('sha256').update(body).digest('hex')))
  for (const { instance, sha256, known } of requested) {
    if (known === 'stored' && !digests.has(sha256))
      counters.violation(`${what}: the bytes of ${instance} are not in the response`)
  }
  const theirs = new Set(requested.map(({ sha256 }) => sha256))
  if ([...digests].some((digest) => !theirs.has(digest))) counters.violation(`${what}: bytes that nobody sent`)
}
