import { createScanner } from 'jsonc-parser'

/** Environment variables; production passes `process.env`. */
export interface Environment {
  readonly [name: string]: string | undefined
}

export interface Substitution {
  readonly text: string
  /** Variables without a value and without a default, which became empty. */
  readonly unset: readonly string[]
}

/**
 * `${NAME}`, `${NAME:-default}`, `${NAME:-"default"}`, `${NAME:-'default'}`. Anything else stays
 * unchanged, also `${}`, which makes Orthanc fail.
 *
 * The rules are those of Orthanc's Toolbox::SubstituteVariables (1.12): a name contains no colon, a
 * default without quotes contains no quote and no brace, and a variable that is set but empty
 * counts as set. Neither name nor default contains `${`, which keeps matching linear in time.
 */
const reference = /\$\{((?:[^$:}]|\$(?!\{))+)(?::-(?:((?:[^$'"}]|\$(?!\{))*)|"([^"]*)"|'([^']*)'))?\}/g

/**
 * Replaces environment variables in the raw text before JSON is parsed, so that a value may also be
 * a number, a list or an object.
 */
export function substituteVariables(source: string, environment: Environment): Substitution {
  const unset = new Set<string>()
  const isInComment = commentsOf(source)
  const text = source.replace(
    reference,
    (
      _match,
      name: string,
      bare: string | undefined,
      double: string | undefined,
      single: string | undefined,
      at: number,
    ) => {
      const value = environment[name] ?? bare ?? double ?? single
      if (value === undefined && !isInComment(at)) unset.add(name)
      return value ?? ''
    },
  )
  return { text, unset: [...unset] }
}

/**
 * A comment that mentions `${NAME}` must not cause a notice that NAME is not set.
 *
 * @returns whether an offset is in a comment; call it with ascending offsets
 */
function commentsOf(source: string): (offset: number) => boolean {
  const ends: number[] = []
  const starts: number[] = []
  const scanner = createScanner(source)
  while (scanner.getPosition() < source.length) {
    scanner.scan()
    const start = scanner.getTokenOffset()
    // Only comments begin with a slash.
    if (source.charAt(start) !== '/' || scanner.getTokenLength() < 2) continue
    starts.push(start)
    ends.push(start + scanner.getTokenLength())
  }
  let next = 0
  return (offset) => {
    while ((ends[next] ?? Number.POSITIVE_INFINITY) <= offset) next += 1
    return offset >= (starts[next] ?? Number.POSITIVE_INFINITY)
  }
}
