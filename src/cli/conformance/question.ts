import { createInterface } from 'node:readline'
import { CommandFailure, exitCode } from '../exit-code.ts'

/** Where the user is asked: standard input and standard error. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly output: NodeJS.WritableStream
}

/** Fails with a usage error where nobody can be asked. */
export function needsTerminal({ input }: Terminal): void {
  if (input.isTTY) return
  throw new CommandFailure(
    'Nothing was sent, because there is no terminal to ask on. Add --yes if the store is for tests.',
    exitCode.usage,
  )
}

/** Asks whether to go on; false for anything but yes, and when the signal comes. */
export async function confirmed({ input, output }: Terminal, signal: AbortSignal): Promise<boolean> {
  // Not as a terminal: Ctrl+C must stay a signal.
  const lines = createInterface({ input, terminal: false, signal })
  output.write('Is this store for tests? Type yes to begin: ')
  const line = await new Promise<string>((resolve) => {
    lines.once('line', resolve)
    lines.once('close', () => resolve(''))
  })
  lines.close()
  return /^\s*y(?:es)?\s*$/i.test(line)
}
