/** One thing that is wrong in the configuration. Never carries the value of a text: it may be a secret. */
export interface ConfigProblem {
  /** The file as it was named, or `command line`, or `environment`. */
  readonly file: string
  /** JSON path such as `GoogleCloudPlatform.Accounts.my-google.Project`; empty for the file as a whole. */
  readonly path: string
  /** What is wrong and what would be right. */
  readonly message: string
}

/** The configuration can't be used. `message` lists all problems, a line each; then what helps to understand them. */
export class ConfigurationError extends Error {
  readonly problems: readonly ConfigProblem[]
  /** For instance environment variables that were not set, a sentence each. */
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

/** `GoogleCloudPlatform.Accounts["my google"].Access[0]`: what is not a plain word is quoted, so that dots stay unambiguous. */
export function jsonPath(segments: readonly Segment[]): string {
  return segments.map(segmentText).join('').replace(/^\./, '')
}

function segmentText(segment: Segment): string {
  if (typeof segment === 'number') return `[${segment}]`
  return /^[\p{L}\p{N}_$-]+$/u.test(segment) ? `.${segment}` : `[${JSON.stringify(segment)}]`
}
