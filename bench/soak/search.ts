import type { Counters } from './counters.ts'
import type { SentStudy } from './ledger.ts'
import type { Reply, Sending } from './sending.ts'

export function searchFor(url: string, { study }: SentStudy): Sending {
  return { method: 'GET', url: `${url}studies/${study}/instances`, headers: { accept: 'application/dicom+json' } }
}

/** The response must list every stored instance, and no deleted one. */
export function checkFound(sent: SentStudy, reply: Reply, counters: Counters): void {
  if (reply.kind !== 'whole' || reply.status !== 200) return
  const found = instancesIn(reply.body)
  if (!found) {
    counters.violation(
      `QIDO-RS ${sent.study} at ${sent.account}: 200 with a body that is no search result, ${reply.body.length} bytes`,
    )
    return
  }
  for (const { instance, known } of sent.instances) {
    if (known === 'stored' && !found.includes(instance))
      counters.violation(`QIDO-RS ${sent.study} at ${sent.account}: ${instance}, which is stored, is not found`)
    if (known === 'deleted' && !sent.inDoubt && found.includes(instance))
      counters.violation(`QIDO-RS ${sent.study} at ${sent.account}: ${instance}, which is deleted, is found`)
  }
}

function instancesIn(body: Buffer): string[] | null {
  try {
    const rows = JSON.parse(String(body)) as Record<string, { Value?: string[] }>[]
    return rows.map((row) => row['00080018']?.Value?.[0] ?? '')
  } catch {
    return null
  }
}
