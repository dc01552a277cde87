/** A problem of the configuration. It never contains the value of a text, which may be a secret. */
export interface ConfigProblem {
  /** The file as the user named it, `command line` or `environment`. */
  readonly file: string
  /**
   * JSON path such as `GoogleCloudPlatform.Accounts.my-google.Project`; empty for the file as a
   * whole.
   */
  readonly path: string
  /** What is wrong and, after the first semicolon, what to do: a clause that begins with a verb. */
  readonly message: string
}

/**
 * The configuration can't be used. `message` lists all problems, one per line, then notes that help
 * to understand them.
 */
export class ConfigurationError extends Error {
  readonly problems: readonly ConfigProblem[]
  /** For instance about environment variables that are not set, a sentence each. */
  readonly notices: readonly string[]

  constructor(problems: readonly ConfigProblem[], notices: readonly string[] = []) {
    super([...problems.map(problemLine), ...notices.map((notice) => `note: ${notice}`)].join('\n'))
    this.name = 'ConfigurationError'
    this.problems = problems
    this.notices = notices
  }
}

function problemLine({ file, path, message }: ConfigProblem): string {
  return [file, path, message].filter((part) => part !== '').join(': ')
}

export type Segment = string | number

/** A problem whose file is not known yet. */
export interface Finding {
  readonly path: readonly Segment[]
  readonly message: string
}

/**
 * Formats a path such as `GoogleCloudPlatform.Accounts["my google"].Access[0]`. Names that are not
 * plain words are quoted, so that dots stay unambiguous.
 */
export function jsonPath(segments: readonly Segment[]): string {
  return segments.map(segmentText).join('').replace(/^\./, '')
}

function segmentText(segment: Segment): string {
  if (typeof segment === 'number') return `[${segment}]`
  return /^[\p{L}\p{N}_$-]+$/u.test(segment) ? `.${segment}` : `[${JSON.stringify(segment)}]`
}
