import { stat } from 'node:fs/promises'

/** Milliseconds. */
const look = 1_000

/**
 * Calls back when one of the files has changed, and then has stayed the same from one look to the next: so that one that is
 * just being written, or a certificate whose key still has to come, is not taken too early. By looking, because events
 * miss what is mounted or linked, such as Kubernetes' secrets.
 */
export function watchFiles(files: readonly string[], onChange: () => void): { close(): void } {
  let taken: string | null = null
  let before: string | null = null
  let timer: NodeJS.Timeout | null = null
  let closed = false
  const lookAgain = () => {
    if (!closed) timer = setTimeout(() => void compare(), look).unref()
  }
  const compare = async () => {
    const now = await stateOf(files)
    if (closed) return
    taken ??= now
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

async function stateOf(files: readonly string[]): Promise<string> {
  const states = files.map(async (file) => {
    try {
      const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
      return `${ino} ${size} ${mtimeNs} ${ctimeNs}`
    } catch (error) {
      return String((error as NodeJS.ErrnoException).code)
    }
  })
  return (await Promise.all(states)).join()
}
