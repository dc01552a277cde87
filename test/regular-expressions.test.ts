import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createContext, Script } from 'node:vm'
import { parse, type Token, tokTypes } from 'acorn'
import t from 'tap'
import { hostileTexts, textOf } from './helpers/hostile-texts.ts'

/**
 * An attribute path of 240 characters in a query stopped the whole proxy for 15 seconds: its
 * regular expression tried all of 2^24 ways to read it. For every text, each expression of the
 * source must run in time proportional to its length. Each is a comment in this test's output: `npx
 * tap run --reporter=tap test/regular-expressions.test.ts`.
 */

/**
 * Characters: four times what Limits.HeaderBytes allows by default, eight times what is read of a
 * message of Google's.
 */
const largest = 64 * 1024
const screening = 2 * 1024
/**
 * Nanoseconds for each character. Linear expressions take 1 to 100, quadratic ones 10,000 and more
 * at the full length.
 */
const allowed = 1_000
/** Of each expression, so many texts that took longest are tried at the full length. */
const finalists = 4

interface Found {
  readonly place: string
  readonly expression: RegExp
}

/** What acorn does not say in its types. */
interface ValuedToken extends Token {
  readonly value?: unknown
}

/**
 * All regular expressions of a source, and each place that names RegExp, which could make one of a
 * text from outside.
 */
function expressionsOf(path: string, source: string): { literals: Found[]; made: string[] } {
  const code = path.endsWith('.ts') ? stripTypeScriptTypes(source) : source
  const tokens: ValuedToken[] = []
  parse(code, { ecmaVersion: 'latest', sourceType: 'module', locations: true, onToken: tokens })
  const place = ({ loc }: Token) => `${path}:${loc?.start.line}`
  const literals = tokens.filter(({ type }) => type === tokTypes.regexp)
  return {
    literals: literals.map((token) => ({ place: place(token), expression: (token.value as { value: RegExp }).value })),
    made: tokens.filter(({ type, value }) => type === tokTypes.name && value === 'RegExp').map(place),
  }
}

function readSources(): [path: string, source: string][] {
  const folder = fileURLToPath(new URL('../src', import.meta.url))
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return paths
    .filter((path) => /\.[jt]s$/.test(path) && !path.endsWith('.d.ts'))
    .toSorted()
    .map((path) => [path.replaceAll('\\', '/'), readFileSync(join(folder, path), 'utf8')])
}

/** In a context of its own, for only so it can be stopped. */
const trial = new Script(`for (const text of texts) {
  let least = Infinity
  // The machine may be busy with something else, and the engine interprets an expression before it
  // compiles it.
  for (let runs = 0; runs < 4 && least > suspicious; runs += 1) {
    const startedAt = now()
    text.replaceAll(expression, '')
    least = Math.min(least, ((now() - startedAt) * 1e6) / text.length)
  }
  costs.push(least)
  if (least > enough) break
}`)

interface Limits {
  /** Milliseconds for all trials of an expression: some would go on for years. */
  readonly timeout: number
  /** From this number of nanoseconds on, a text is measured again. */
  readonly suspicious: number
  /** Nanoseconds from which no other text needs to be tried. */
  readonly enough: number
}

/**
 * Nanoseconds for each character to find all matches, for each text; those behind one that never
 * ends are not tried.
 */
function costsOf(expression: RegExp, texts: readonly string[], { timeout, ...limits }: Limits): number[] {
  const costs: number[] = []
  try {
    const context = createContext({ texts, expression, costs, ...limits, now: () => performance.now() })
    trial.runInContext(context, { timeout })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
    costs.push(Number.POSITIVE_INFINITY)
  }
  return costs
}

interface Worst {
  /** Nanoseconds for each character of the short and of the long text. */
  readonly short: number
  readonly long: number
  /** How it begins. */
  readonly begins: string
}

function worstOf({ source, flags }: RegExp, { length = largest, timeout = 2_000 } = {}): Worst {
  const expression = new RegExp(source, flags.includes('g') ? flags : `${flags}g`)
  const hostile = hostileTexts(expression)
  const screened = hostile.map((each) => textOf(each, screening))
  const short = costsOf(expression, screened, { timeout, suspicious: allowed / 10, enough: 50 * allowed })
  const candidates = short.map((cost, at) => ({ cost, at })).toSorted((one, other) => other.cost - one.cost)
  const finals = candidates.slice(0, finalists).map(({ at }) => at)
  const isEndless = candidates[0]?.cost === Number.POSITIVE_INFINITY
  const texts = finals.map((at) => (hostile[at] ? textOf(hostile[at], length) : ''))
  const limits = { timeout, suspicious: allowed / 10, enough: allowed }
  const long = isEndless ? [Number.POSITIVE_INFINITY] : costsOf(expression, texts, limits)
  const slowest = long.indexOf(Math.max(...long))
  return {
    short: short[finals[slowest] ?? 0] ?? 0,
    long: long[slowest] ?? 0,
    begins: texts[slowest]?.slice(0, 60) ?? '',
  }
}

const sources = readSources()

t.test('every regular expression takes time in proportion to its text', async (t) => {
  const all = sources.flatMap(([path, source]) => expressionsOf(path, source).literals)
  t.ok(all.length > 100, 'they are found')
  for (const { place, expression } of all) {
    const { short, long, begins } = worstOf(expression)
    const line = `${place} ${expression} ${Math.round(short)} ns a character of ${screening}, ${Math.round(long)} of ${largest}`
    if (long > allowed) t.fail(`${line}: ${JSON.stringify(begins)}`)
    else t.comment(line)
  }
})

t.test('none is made at run time, of a text that nobody has looked at', async (t) => {
  t.same(
    sources.flatMap(([path, source]) => expressionsOf(path, source).made),
    [],
  )
})

t.test('those that are not linear are noticed', async (t) => {
  const wrong = [
    // What this project had.
    /^([A-Z][A-Za-z0-9]*|[0-9A-Fa-f]{8})(\.([A-Z][A-Za-z0-9]*|[0-9A-Fa-f]{8}))*$/,
    /(?<![\p{L}\p{N}])(["'`])(.*?)\1(?![\p{L}\p{N}])/gu,
    /"(?:\\[\s\S]|[^"\\])*"|\/\/[^\n\r]*|\/\*[\s\S]*?\*\//g,
    /\$\{([^:}]+)(?::-(?:([^'"}]*)|"([^"]*)"|'([^']*)'))?\}/g,
    /^\s*\[?\s*\{\s*"error"/,
    /\d+(\.\d+){2,}/g,
    /%.*$/,
    /\/+$/,
    /^(?:a|[ab])*c/i,
    /^.*,.*,.*;$/,
  ]
  const quick = { length: largest / 4, timeout: 300 }
  for (const expression of wrong) t.ok(worstOf(expression, quick).long > allowed, String(expression))
})
