import { statBounded } from '../bounded-files.ts'

/** Milliseconds. */
const look = 1_000

type Files = readonly string[]

export interface FileWatch {
  /** Resolves with the first look: what changes from then on is noticed. */
  readonly ready: Promise<void>
  close(): void
}

/**
 * Calls back when one of the files has changed, and then has stayed the same from one look to the next: so that one that is
 * just being written, or a certificate whose key still has to come, is not taken too early. By looking, because events
 * miss what is mounted or linked, such as Kubernetes' secrets.
 *
 * @param files asked for their names at each look: those of a folder may become others
 * @param readAt when the files were read, by `Date.now()`: what has changed since then has changed, too
 */
export function watchFiles(
  files: () => Files | Promise<Files>,
  onChange: () => void,
  readAt = Number.POSITIVE_INFINITY,
): FileWatch {
  let taken: string | null = null
  let before: string | null = null
  let timer: NodeJS.Timeout | null = null
  let closed = false
  const compare = async () => {
    const { state: now, changedAt } = await stateOf(await files())
    if (closed) return
    taken ??= changedAt > readAt ? '' : now
    if (now !== taken && now === before) {
      taken = now
      onChange()
    }
    before = now
    // Who was called back may have closed the watch.
    if (!closed) timer = setTimeout(() => void compare(), look).unref()
  }
  return {
    ready: compare(),
    close() {
      closed = true
      if (timer) clearTimeout(timer)
    },
  }
}

/** Of what a link leads to, and of where that is: a file that takes the place of another one has a number of its own. */
async function stateOf(files: Files): Promise<{ state: string; changedAt: number }> {
  const states = files.map(async (file) => {
    try {
      const { dev, ino, size, mtimeNs, ctimeNs } = await statBounded(file)
      const state = `${file} ${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`
      return { state, changedAt: Number(ctimeNs / 1_000_000n) }
    } catch (error) {
      return { state: `${file} ${String((error as NodeJS.ErrnoException).code)}`, changedAt: 0 }
    }
  })
  const all = await Promise.all(states)
  return {
    state: all.map(({ state }) => state).join('\n'),
    changedAt: Math.max(...all.map(({ changedAt }) => changedAt)),
  }
}
