/**
 * The parts of an error that are safe to show. Libraries put requests, and so tokens, into messages
 * and properties.
 */
export interface SerializedError {
  readonly name: string
  readonly code: string | undefined
  /** Where it was thrown. */
  readonly frames: readonly string[]
  readonly cause: SerializedError | undefined
}

/** More than any real chain of causes. */
const maxDepth = 8

export function serializeError(error: unknown, depth = 0): SerializedError {
  if (!(error instanceof Error)) return { name: typeof error, code: undefined, frames: [], cause: undefined }
  const { code } = error as NodeJS.ErrnoException
  return {
    // The class, not the `name` property, which can be set to anything.
    name: error.constructor.name,
    code: typeof code === 'string' && /^[A-Z0-9_-]{1,60}$/i.test(code) ? code : undefined,
    frames: framesOf(error),
    cause: error.cause === undefined || depth === maxDepth ? undefined : serializeError(error.cause, depth + 1),
  }
}

/** The stack lines that are locations in the code. The message may contain any other lines. */
function framesOf({ stack = '', message }: Error): string[] {
  return stack
    .replace(message, '')
    .split('\n')
    .filter((line) => /^ {4}at [^()]*(\([^()]*:\d+:\d+\)|:\d+:\d+)$/.test(line))
    .map((line) => line.trim())
}

/** The same for people. */
export function describeError(error: unknown): string {
  return textOf(serializeError(error))
}

function textOf({ name, code, frames, cause }: SerializedError): string {
  const own = [`${name}${code ? ` (${code})` : ''}`, ...frames.map((frame) => `    ${frame}`)].join('\n')
  return cause ? `${own}\nCaused by ${textOf(cause)}` : own
}
