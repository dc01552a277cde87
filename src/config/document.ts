import { type Node, type ParseError, type ParseErrorCode, parseTree, printParseErrorCode, visit } from 'jsonc-parser'
import { type ConfigProblem, jsonPath, type Segment } from './problem.ts'
import { type Environment, substituteVariables } from './variables.ts'

/** A JSON object; without a prototype, so that an account may be named `constructor` or `__proto__`. */
export interface JsonObject {
  [key: string]: unknown
}

/** One configuration file, parsed as far as it goes. */
export interface ConfigDocument {
  /** As the user named it. */
  readonly file: string
  readonly content: JsonObject
  readonly problems: readonly ConfigProblem[]
  readonly warnings: readonly string[]
  readonly notices: readonly string[]
}

/**
 * Parses one file's text: environment variables first, then JSON with comments.
 *
 * What else Orthanc's JSON reader (JsonCpp) lets pass, run with Orthanc 1.10.1: trailing commas, a byte order mark, line
 * breaks and other control characters in a text, the same key twice (the last one counts), and anything after the closing brace.
 */
export function parseDocument(file: string, source: string, environment: Environment): ConfigDocument {
  const { text, unset } = substituteVariables(source.replace(/^\uFEFF/, ''), environment)
  const shown = hideLineBreaks(text)
  const hopeless = hopelessness(shown)
  if (hopeless !== null) {
    return { file, content: {}, problems: [{ file, path: '', message: hopeless }], warnings: [], notices: [] }
  }
  const errors: ParseError[] = []
  const root = parseTree(shown, errors, { allowTrailingComma: true })
  const end = endOfObject(root, errors)
  const problems = errors
    .filter(({ error, offset }) => offset < end && printParseErrorCode(error) !== 'InvalidCharacter')
    // What follows from an error is often another one.
    .slice(0, mostTold)
    .map(({ error, offset }) => ({ file, path: '', message: syntaxMessage(text, offset, error) }))
  if (root?.type !== 'object' && problems.length === 0) {
    problems.push({ file, path: '', message: 'must hold one JSON object: { ... }' })
  }
  const warnings: string[] = []
  if (errors.some(({ offset }) => offset >= end)) {
    warnings.push(`${file}: what follows the closing brace is ignored, as in Orthanc.`)
  }
  const onDuplicate = (path: readonly Segment[]) => {
    if (warnings.length < mostTold) warnings.push(`${file}: ${duplicateText(path)}`)
  }
  const content = root?.type === 'object' ? objectOf(root, onDuplicate) : {}
  const notices = unset.map(
    (name) => `${file}: the environment variable ${name} is not set; it was replaced by nothing.`,
  )
  return { file, content, problems, warnings, notices }
}

/** Flaws of one file that are told: those that follow are of the same kind, or come of these. */
const mostTold = 20
/** Errors that the parser reports, harmless ones included, for what may still be JSON; and how deep it may go. */
const mostErrors = 1_000
const deepest = 100

/** Told in place of all that is wrong with a file. */
class Hopeless extends Error {}

/** Why a text is not worth parsing: that would take seconds, for nothing, while everything else waits. Null if it is. */
function hopelessness(text: string): string | null {
  let depth = 0
  let errors = 0
  const deeper = () => {
    depth += 1
    if (depth > deepest) throw new Hopeless(`is nested more than ${deepest} levels deep; is it the right file?`)
  }
  const higher = () => {
    depth -= 1
  }
  const onError = () => {
    errors += 1
    if (errors > mostErrors) throw new Hopeless('is not valid JSON in a thousand places; is it the right file?')
  }
  const nesting = { onObjectBegin: deeper, onArrayBegin: deeper, onObjectEnd: higher, onArrayEnd: higher }
  try {
    visit(text, { ...nesting, onError }, { allowTrailingComma: true })
    return null
  } catch (error) {
    if (error instanceof Hopeless) return error.message
    throw error
  }
}

/** Where the outermost object has been closed; errors beyond are about text that Orthanc doesn't look at. */
function endOfObject(root: Node | undefined, errors: readonly ParseError[]): number {
  const unclosed = errors.some(({ error }) => printParseErrorCode(error) === 'CloseBraceExpected')
  return root?.type === 'object' && !unclosed ? root.offset + root.length : Number.POSITIVE_INFINITY
}

function duplicateText(path: readonly Segment[]): string {
  return `${jsonPath(path)} is given more than once; the last one counts, as in Orthanc.`
}

/** Stands for a line break inside a text while parsing, as long as one: so that places in messages stay right. */
const hidden: Readonly<Record<string, string>> = { '\n': '\uE00A', '\r': '\uE00D' }
/** One without an end goes to that of the document: looking for its end from each place where one begins would take quadratic time. */
const textOrComment = /"(?:\\[\s\S]|[^"\\])*("?)|\/\/[^\n\r]*|\/\*[\s\S]*?(?:\*\/|$)/g

/** jsonc-parser refuses a line break inside a text, Orthanc doesn't. */
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

/** Names the place only: the text around it may hold a secret. */
function syntaxMessage(text: string, offset: number, error: ParseErrorCode): string {
  const before = text.slice(0, offset).split('\n')
  const words = printParseErrorCode(error)
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
  return `is not valid JSON at line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1} (${words}); comments and environment variables are allowed`
}
