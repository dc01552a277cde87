import { type Node, type ParseError, type ParseErrorCode, parseTree, printParseErrorCode, visit } from 'jsonc-parser'
import { type ConfigProblem, type Flaw, jsonPath, type Segment } from './problem.ts'
import { type Environment, substituteVariables } from './variables.ts'

/**
 * A JSON object without a prototype, so that an account may be named `constructor` or `__proto__`.
 */
export interface JsonObject {
  [key: string]: unknown
}

/** One configuration file, parsed as far as possible. */
export interface ConfigDocument {
  /** The name that the user gave. */
  readonly file: string
  readonly content: JsonObject
  readonly problems: readonly ConfigProblem[]
  /** Keys that are given more than once; the last one counts. */
  readonly duplicates: readonly (readonly Segment[])[]
  /** Whether there is text after the closing brace, which is ignored. */
  readonly hasTrailingText: boolean
  readonly warnings: readonly string[]
  readonly notices: readonly string[]
}

/**
 * Parses a file's text: replaces environment variables, then reads JSON with comments.
 *
 * Like Orthanc's JSON reader (JsonCpp; tried with Orthanc 1.10.1), it also accepts trailing commas,
 * a byte order mark, line breaks and other control characters in a text, the same key twice (the
 * last one counts), and anything after the closing brace.
 */
export function parseDocument(file: string, source: string, environment: Environment): ConfigDocument {
  const { text, unset } = substituteVariables(source.replace(/^\uFEFF/, ''), environment)
  const shown = hideLineBreaks(text)
  const hopeless = reasonNotToParse(shown)
  if (hopeless !== null) {
    const problems = [{ file, path: '', problem: hopeless, remedy: 'check that it is the right file' }]
    return { file, content: {}, problems, duplicates: [], hasTrailingText: false, warnings: [], notices: [] }
  }
  const errors: ParseError[] = []
  const root = parseTree(shown, errors, { allowTrailingComma: true })
  if (root?.type !== 'object') {
    const problems = [{ file, path: '', ...notAnObject(text) }]
    return { file, content: {}, problems, duplicates: [], hasTrailingText: false, warnings: [], notices: [] }
  }
  const end = endOfObject(root, errors)
  const problems = errors
    .filter(({ error, offset }) => offset < end && printParseErrorCode(error) !== 'InvalidCharacter')
    // One error often causes others.
    .slice(0, maxSyntaxErrors)
    .map(({ error, offset }) => ({ file, path: '', ...syntaxFlaw(text, offset, error) }))
  const hasTrailingText = errors.some(({ offset }) => offset >= end)
  const duplicates: (readonly Segment[])[] = []
  const onDuplicate = (path: readonly Segment[]) => {
    if (duplicates.length < maxReported) duplicates.push(path)
  }
  const content = objectOf(root, onDuplicate)
  const notices = unset.map(
    (name) => `${file}: the environment variable ${name} is not set; it was replaced by nothing.`,
  )
  const warnings = [
    ...(hasTrailingText ? [`${file}: text after the closing brace is ignored, as in Orthanc.`] : []),
    ...duplicates.map((path) => `${file}: ${duplicateText(path)}`),
  ]
  return { file, content, problems, duplicates, hasTrailingText, warnings, notices }
}

/**
 * Maximum number of problems and of warnings reported per file: more are of the same kind or have
 * the same cause.
 */
const maxReported = 20
const maxSyntaxErrors = 3
/**
 * Limits on the parser's errors, harmless ones included, and on the depth of what may still be
 * JSON.
 */
const maxErrors = 1_000
const maxDepth = 100

/** Of a file of another kind, each line would be an error. */
function notAnObject(text: string): Flaw {
  if (text.includes('-----BEGIN ')) {
    const problem = 'is not a configuration: it has a certificate or a key in PEM form'
    return { problem, remedy: 'check that it is the right file' }
  }
  const problem = 'is not valid JSON: a configuration must hold one JSON object: { ... }'
  return { problem, remedy: 'check that it is the right file' }
}

/** Reported instead of all other problems of a file. */
class NotWorthParsing extends Error {}

/**
 * Why a text is not worth parsing, which would block everything else for seconds. Null if it is.
 */
function reasonNotToParse(text: string): string | null {
  let depth = 0
  let errors = 0
  const deeper = () => {
    depth += 1
    if (depth > maxDepth) throw new NotWorthParsing(`is nested more than ${maxDepth} levels deep`)
  }
  const higher = () => {
    depth -= 1
  }
  const onError = () => {
    errors += 1
    if (errors > maxErrors) throw new NotWorthParsing('is not valid JSON in a thousand places')
  }
  const nesting = { onObjectBegin: deeper, onArrayBegin: deeper, onObjectEnd: higher, onArrayEnd: higher }
  try {
    visit(text, { ...nesting, onError }, { allowTrailingComma: true })
    return null
  } catch (error) {
    if (error instanceof NotWorthParsing) return error.message
    throw error
  }
}

/**
 * The end of the outermost object. Orthanc ignores the text after it, so errors there don't count.
 */
function endOfObject(root: Node, errors: readonly ParseError[]): number {
  const unclosed = errors.some(({ error }) => printParseErrorCode(error) === 'CloseBraceExpected')
  return !unclosed ? root.offset + root.length : Number.POSITIVE_INFINITY
}

function duplicateText(path: readonly Segment[]): string {
  return `${jsonPath(path)} is given more than once; the last one counts, as in Orthanc.`
}

/**
 * Replaces a line break inside a text while parsing. It has the same length, so that positions in
 * messages stay right.
 */
const hidden: Readonly<Record<string, string>> = { '\n': '\uE00A', '\r': '\uE00D' }
/**
 * An unterminated text or comment extends to the end of the document. Otherwise the search for its
 * end would start again at each following quote, in quadratic time.
 */
const textOrComment = /"(?:\\[\s\S]|[^"\\])*("?)|\/\/[^\n\r]*|\/\*[\s\S]*?(?:\*\/|$)/g

/** jsonc-parser rejects line breaks inside a text; Orthanc doesn't. */
function hideLineBreaks(text: string): string {
  return text.replace(textOrComment, (match, closingQuote) =>
    closingQuote ? match.replace(/[\n\r]/g, (lineBreak) => hidden[lineBreak] ?? '') : match,
  )
}

function textOf(value: unknown): unknown {
  return typeof value === 'string' ? value.replaceAll('\uE00A', '\n').replaceAll('\uE00D', '\r') : value
}

type OnDuplicate = (path: readonly Segment[]) => void

function objectOf(node: Node, onDuplicate: OnDuplicate, path: readonly Segment[] = []): JsonObject {
  const object: JsonObject = Object.create(null)
  for (const { children: [key, value] = [] } of node.children ?? []) {
    if (!key || !value) continue
    const name = textOf(key.value) as string
    const at = [...path, name]
    if (name in object) onDuplicate(at)
    object[name] = jsonValue(value, onDuplicate, at)
  }
  return object
}

function jsonValue(node: Node, onDuplicate: OnDuplicate, path: readonly Segment[]): unknown {
  if (node.type === 'object') return objectOf(node, onDuplicate, path)
  if (node.type === 'array') return (node.children ?? []).map((item, at) => jsonValue(item, onDuplicate, [...path, at]))
  return textOf(node.value)
}

/** Names only the position, because the text around it may contain a secret. */
function syntaxFlaw(text: string, offset: number, error: ParseErrorCode): Flaw {
  const before = text.slice(0, offset).split('\n')
  const words = printParseErrorCode(error)
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
  return {
    problem: `is not valid JSON at line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1} (${words})`,
    remedy: 'correct it there; comments and environment variables are allowed',
  }
}
