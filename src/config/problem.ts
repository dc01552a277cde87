/**
 * What is wrong with a value, and what to do. Both are clauses: the first follows the value's name,
 * the second begins with a verb. Neither contains the value of a text, which may be a secret.
 */
export interface Flaw {
  readonly problem: string
  /** Empty where the problem says it already: `must be …`. */
  readonly remedy: string
}

/** The only place that joins them. */
export function flawText({ problem, remedy }: Flaw): string {
  return remedy === '' ? problem : `${problem}; ${remedy}`
}

/** A problem of the configuration. */
export interface ConfigProblem extends Flaw {
  /** The file as the user named it, `command line` or `environment`. */
  readonly file: string
  /**
   * JSON path such as `GoogleCloudPlatform.Accounts.my-google.Project`; empty for the file as a
   * whole.
   */
  readonly path: string
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

function problemLine({ file, path, ...flaw }: ConfigProblem): string {
  return [file, path, flawText(flaw)].filter((part) => part !== '').join(': ')
}

export type Segment = string | number

/** A problem whose file is not known yet. */
export interface Finding extends Flaw {
  readonly path: readonly Segment[]
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
