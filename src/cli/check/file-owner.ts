import type { Stats } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { Skipped } from './checklist.ts'

/** The rights of files don't hold for root. */
export function isRoot(): boolean {
  return process.geteuid?.() === 0
}

/** By the mode alone: access() asks with the rights of the real user, who is root still. */
export function ownerMayWrite({ mode }: Stats): boolean {
  return (mode & 0o200) !== 0
}

/**
 * Looks, as root, with the rights of the user to whom something belongs, as who a service would run
 * that isn't root. Resolves with who can write it, in words. Throws a Skipped if it is root's alone.
 *
 * @param work must be synchronous: the whole process has these rights meanwhile
 */
export async function lookAsOwnerOf(place: string, work: (user: string) => void): Promise<string> {
  const owner = await ownerOf(place)
  if (owner.uid !== 0) {
    withRightsOf(owner, () => work(`${owner.name}, who owns ${place},`))
    return `by ${owner.name}, who owns ${place}`
  }
  if (owner.sharesWriting) return 'by root, as whom this check runs; run it as the user of the service'
  throw new Skipped(
    `nobody but root may write ${place}: run this check as the user of the service, or give it to that user (chown)`,
  )
}

/** Whom a file belongs to. */
interface Owner {
  readonly uid: number
  readonly gid: number
  readonly name: string
  /** Whether others than the owner may write it: its group, or everyone. */
  readonly sharesWriting: boolean
}

async function ownerOf(path: string): Promise<Owner> {
  const { uid, gid, mode } = await stat(path)
  const known = (await users()).find((user) => user.uid === uid)
  return { uid, gid: known?.gid ?? gid, name: known?.name ?? `user ${uid}`, sharesWriting: (mode & 0o022) !== 0 }
}

/** Those of this machine itself; none where there is no such file. */
async function users() {
  const text = await readFile('/etc/passwd', 'utf8').catch(() => '')
  return text.split('\n').map((line) => {
    const [name = '', , uid, gid] = line.split(':')
    return { name, uid: Number(uid), gid: Number(gid) }
  })
}

function withRightsOf({ uid, gid, name }: Owner, work: () => void): void {
  const [groups, ownGid] = [process.getgroups?.() ?? [], process.getegid?.() ?? 0]
  become(() => process.setgroups?.([gid]), name)
  try {
    become(() => {
      process.setegid?.(gid)
      process.seteuid?.(uid)
    }, name)
    work()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(ownGid)
    process.setgroups?.(groups)
  }
}

/** In a container, even root may not become just anybody. */
function become(change: () => void, name: string): void {
  try {
    change()
  } catch {
    throw new Skipped(`the rights of ${name} can't be tried here: run this check as the user of the service`)
  }
}
