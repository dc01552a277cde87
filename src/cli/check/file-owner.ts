import { readFile, stat } from 'node:fs/promises'
import { Skipped } from './checklist.ts'

/** Whom a file belongs to. */
export interface Owner {
  readonly uid: number
  readonly gid: number
  readonly name: string
  /** Whether others than the owner may write it: its group, or everyone. */
  readonly sharesWriting: boolean
}

export async function ownerOf(path: string): Promise<Owner> {
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

/**
 * Does something with the rights of another user, as only root can. It must be synchronous: the
 * whole process has these rights meanwhile.
 */
export function withRightsOf({ uid, gid, name }: Owner, work: () => void): void {
  const [groups, ownGid] = [process.getgroups?.() ?? [], process.getegid?.() ?? 0]
  try {
    become(() => {
      process.setgroups?.([gid])
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
