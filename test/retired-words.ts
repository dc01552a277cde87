import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

// `npm run lint`: fails where a word comes back that a better established one has replaced.

/** A pattern for one line, and the term to use. */
const retired: readonly [pattern: RegExp, use: string][] = [
  [/\banswer(?:s|ed|ing)?\b|[a-z]Answer|\banswer[A-Z]/i, 'response, respond'],
  [/stranger/i, 'unauthenticated client'],
  [/\bunder ?way\b/i, 'in flight'],
  [/\bplaces? at Google\b/i, 'slot'],
  [/\bpatience\b/i, '…TimeoutMs'],
  [/\bmost[A-Z]\w*(?= =)/, 'max…'],
  [/\blongest[A-Z]\w*(?= =)/, 'max…Ms'],
  [/\b(?:KeptBody|HeldAnswer|FewAtOnce|Occupancy|Tally|Surroundings)\b/, 'see CONTRIBUTING.md'],
  [/\banew\b/i, 'again, newly'],
  [/\btaken out of\b/i, 'removed from'],
  [/\bfor want of\b/i, 'without'],
  [/\blest\b/, 'so that … not'],
  [/\bof ours\b/i, 'our'],
  [/\bwhatever\b/i, 'any, everything'],
]

/** Not converted yet; each entry goes when its files are. */
const unconverted: readonly RegExp[] = [
  // It names the keys that have gone.
  /^src\/config\/retired\.ts$/,
  /^test\//,
]

const checked = /\.(?:ts|js|html|css|md|json|jsonc|yml|yaml)$/
const files = execFileSync('git', ['ls-files'], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => checked.test(file) && file !== 'package-lock.json' && file !== 'LICENSE')
  .filter((file) => !unconverted.some((pattern) => pattern.test(file)))

const found = files.flatMap(findingsIn)
for (const finding of found) process.stderr.write(`${finding}\n`)
if (found.length > 0) process.exitCode = 1

function findingsIn(file: string): string[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.flatMap((line, at) =>
    retired
      .filter(([pattern]) => pattern.test(line))
      .map(([pattern, use]) => `${file}:${at + 1}: "${pattern.exec(line)?.[0]}" is retired, use: ${use}`),
  )
}
