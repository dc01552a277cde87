import type { Counters } from './counters.ts'
import type { SentInstance, SentStudy } from './ledger.ts'
import type { Random } from './random.ts'
import type { Reply, Sending } from './sending.ts'

/** Deletes a study, or one instance of it; sometimes without waiting for the response. */
export function deleteOf(url: string, { study }: SentStudy, one: SentInstance | null, random: Random): Sending {
  const rest = one ? `/series/${one.series}/instances/${one.instance}` : ''
  return {
    method: 'DELETE',
    url: `${url}studies/${study}${rest}`,
    headers: { accept: '*/*' },
    ...(random.chance(0.05) && { leaveAfter: random.int(1, 500) }),
  }
}

/** Records what the response says. */
export function learnDeleted(sent: SentStudy, one: SentInstance | null, reply: Reply, counters: Counters): void {
  const deleted = one ? [one] : sent.instances
  const wereStored = deleted.some(({ known }) => known === 'stored')
  for (const instance of deleted) instance.known = 'nothing'
  if (reply.kind !== 'whole' || (reply.status !== 200 && reply.status !== 404)) {
    sent.inDoubt = true
    return
  }
  // The second attempt finds nothing if only the response to the first was lost.
  if (reply.status === 404 && wereStored && attemptsOf(reply) === 1 && !sent.inDoubt)
    counters.violation(`DELETE ${sent.study} at ${sent.account}: 404 for what is stored`)
  for (const instance of deleted) instance.known = 'deleted'
}

function attemptsOf({ headers }: Extract<Reply, { kind: 'whole' }>): number {
  return Number(/attempts=(\d+)/.exec(String(headers['proxy-status']))?.[1])
}
