import { statBounded } from '../bounded-files.ts'

/** In milliseconds. */
const pollIntervalMs = 1_000

type Files = readonly string[]

export interface FileWatch {
  /** Resolves after the first poll. Later changes are noticed. */
  readonly ready: Promise<void>
  close(): void
}

/**
 * Calls back when one of the files has changed and then stayed the same from one poll to the next,
 * so that it doesn't catch a file while it is being written, or a certificate before its key. It
 * polls, because events miss mounted and linked files, such as Kubernetes' secrets.
 *
 * @param files called at each poll, because a folder's files may change
 *
 * @param readAt when the files were read, by `Date.now()`; later changes count as well
 */
export function watchFiles(
  files: () => Files | Promise<Files>,
  onChange: () => void,
  readAt = Number.POSITIVE_INFINITY,
): FileWatch {
  let current: string | null = null
  let before: string | null = null
  let timer: NodeJS.Timeout | null = null
  let closed = false
  const compare = async () => {
    const { state: now, changedAt } = await stateOf(await files())
    if (closed) return
    current ??= changedAt > readAt ? '' : now
    if (now !== current && now === before) {
      current = now
      onChange()
    }
    before = now
    // The callback may have closed the watch.
    if (!closed) timer = setTimeout(() => void compare(), pollIntervalMs).unref()
  }
  return {
    ready: compare(),
    close() {
      closed = true
      if (timer) clearTimeout(timer)
    },
  }
}

/**
 * The state of the files that links lead to. It includes the inode, because a replaced file has a
 * new one.
 */
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
