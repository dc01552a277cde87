import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Counters } from './counters.ts'
import type { SentInstance, SentStudy } from './ledger.ts'

/** Compares what the store holds with what clients were told. */
export interface Audit {
  /** Clients were told that these are stored: all of them are there, with the right bytes. */
  readonly stored: number
  readonly lost: number
  /** Clients were told that these are deleted: none of them is there. */
  readonly deleted: number
  readonly undeleted: number
  /** Clients were told nothing final. Those that are in the store have the right bytes, too. */
  readonly unconfirmed: number
  readonly unconfirmedInStore: number
  /** Files with other bytes than were sent, and files that nobody sent. */
  readonly wrong: number
}

/** Reads every file of every store. */
export async function audit(
  studies: readonly SentStudy[],
  folderOf: (account: string) => string,
  counters: Counters,
): Promise<Audit> {
  const counts = { stored: 0, lost: 0, deleted: 0, undeleted: 0, unconfirmed: 0, unconfirmedInStore: 0, wrong: 0 }
  const files = await filesOf(new Set(studies.map(({ account }) => account)), folderOf)
  for (const sent of studies) {
    for (const instance of sent.instances) {
      const name = fileOf(sent, instance)
      const digest = files.get(name)
      files.delete(name)
      if (digest !== undefined && digest !== instance.sha256) {
        counts.wrong += 1
        counters.violation(`Store: ${name} has other bytes than were sent`)
      }
      judge(sent, instance, digest !== undefined, counts, counters)
    }
  }
  for (const name of files.keys()) {
    counts.wrong += 1
    counters.violation(`Store: nobody sent ${name}`)
  }
  return counts
}

function judge(
  sent: SentStudy,
  { known, instance }: SentInstance,
  isThere: boolean,
  counts: { -readonly [K in keyof Audit]: number },
  counters: Counters,
): void {
  if (known === 'stored') {
    counts[isThere ? 'stored' : 'lost'] += 1
    if (!isThere) counters.violation(`Store: ${instance} of ${sent.study} at ${sent.account} is lost`)
  } else if (known === 'deleted' && !sent.inDoubt) {
    counts[isThere ? 'undeleted' : 'deleted'] += 1
    if (isThere) counters.violation(`Store: ${instance} of ${sent.study} at ${sent.account} is not deleted`)
  } else {
    counts[isThere ? 'unconfirmedInStore' : 'unconfirmed'] += 1
  }
}

function fileOf({ account, study }: SentStudy, { series, instance }: SentInstance): string {
  return `${account}/${study}_${series}_${instance}.dcm`
}

/** SHA-256 by account and file name. */
async function filesOf(
  accounts: ReadonlySet<string>,
  folderOf: (account: string) => string,
): Promise<Map<string, string>> {
  const digests = new Map<string, string>()
  for (const account of accounts) {
    const folder = folderOf(account)
    for (const name of await readdir(folder)) digests.set(`${account}/${name}`, await digestOf(join(folder, name)))
  }
  return digests
}

async function digestOf(file: string): Promise<string> {
  const digest = createHash('sha256')
  for await (const chunk of createReadStream(file)) digest.update(chunk)
  return digest.digest('hex')
}
