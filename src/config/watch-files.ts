import { stat } from 'node:fs/promises'

/** Milliseconds. */
const look = 1_000

/**
 * Calls back when one of the files has changed, and then has stayed the same from one look to the next: so that one that is
 * just being written, or a certificate whose key still has to come, is not taken too early. By looking, because events
 * miss what is mounted or linked, such as Kubernetes' secrets.
 *
 * @param readAt when the files were read, by `Date.now()`: what has changed since then has changed, too
 */
export function watchFiles(
  files: readonly string[],
  onChange: () => void,
  readAt = Number.POSITIVE_INFINITY,
): { close(): void } {
  let taken: string | null = null
  let before: string | null = null
  let timer: NodeJS.Timeout | null = null
  let closed = false
  const lookAgain = () => {
    if (!closed) timer = setTimeout(() => void compare(), look).unref()
  }
  const compare = async () => {
    const { state: now, changedAt } = await stateOf(files)
    if (closed) return
    taken ??= changedAt > readAt ? '' : now
    if (now !== taken && now === before) {
      taken = now
      onChange()
    }
    before = now
    lookAgain()
  }
  if (files.length > 0) void compare()
  return {
    close() {
      closed = true
      if (timer) clearTimeout(timer)
    },
  }
}

async function stateOf(files: readonly string[]): Promise<{ state: string; changedAt: number }> {
  const states = files.map(async (file) => {
    try {
      const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
      return { state: `${ino} ${size} ${mtimeNs} ${ctimeNs}`, changedAt: Number(ctimeNs / 1_000_000n) }
    } catch (error) {
      return { state: String((error as NodeJS.ErrnoException).code), changedAt: 0 }
    }
  })
  const all = await Promise.all(states)
  return { state: all.map(({ state }) => state).join(), changedAt: Math.max(...all.map(({ changedAt }) => changedAt)) }
}
