import { createHash } from 'node:crypto'
import { largeInstance, type StowPart, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import type { Random } from './random.ts'

/** What a client knows about an instance: was it told that it is stored, or deleted, or neither? */
export type Known = 'nothing' | 'stored' | 'deleted'

export interface SentInstance {
  readonly series: string
  readonly instance: string
  readonly sha256: string
  readonly part: StowPart
  known: Known
}

/** One study that a client has sent, or tried to. Only that client touches it. */
export interface SentStudy {
  readonly account: string
  readonly study: string
  readonly instances: readonly SentInstance[]
  /** Something may still happen to it: responses say no more about it. */
  inDoubt: boolean
}

const MiB = 1024 ** 2

/**
 * A study that nobody has yet: mostly of a few small instances, as a CT; sometimes of one of some
 * MiB.
 */
export function newStudy(account: string, seed: number, random: Random): SentStudy {
  const size = random.weighted([
    [12, 0],
    [4, random.int(MiB / 2, MiB)],
    [2, random.int(MiB, 6 * MiB)],
  ])
  const made = size === 0 ? smallInstances(seed, random) : [large(seed, size)]
  return { account, study: made[0]?.study ?? '', instances: made.map(({ sent }) => sent), inDoubt: false }
}

interface Made {
  readonly study: string
  readonly sent: SentInstance
}

function smallInstances(seed: number, random: Random): Made[] {
  const side = random.pick([16, 64, 128])
  const options = { seed, instances: random.int(1, 8), rows: side, columns: side }
  return [...syntheticStudy(options)].map((instance, at) => {
    // Made again whenever it is sent: all that a soak sends would not fit into memory.
    const chunks = () => [...syntheticStudy(options)].slice(at, at + 1).map(({ bytes }) => bytes)
    return made(instance, { length: instance.bytes.length, chunks }, [instance.bytes])
  })
}

function large(seed: number, bytes: number): Made {
  const instance = largeInstance({ seed, bytes })
  return made(instance, instance, instance.chunks())
}

function made(
  uids: { studyInstanceUid: string; seriesInstanceUid: string; sopInstanceUid: string },
  part: StowPart,
  content: Iterable<Buffer>,
): Made {
  const digest = createHash('sha256')
  for (const chunk of content) digest.update(chunk)
  return {
    study: uids.studyInstanceUid,
    sent: {
      series: uids.seriesInstanceUid,
      instance: uids.sopInstanceUid,
      sha256: digest.digest('hex'),
      part,
      known: 'nothing',
    },
  }
}

/** All studies of all clients. */
export class Ledger {
  readonly studies: SentStudy[] = []

  add(study: SentStudy): void {
    this.studies.push(study)
  }
}
