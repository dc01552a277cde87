import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

// `npm run lint`: fails where a word comes back that a better established one has replaced.

/** A pattern for one line, and the term to use. */
const retired: readonly [pattern: RegExp, use: string][] = [
  [/\banswer(?:s|ed|ing)?\b|[a-z]Answer|\banswer[A-Z]/i, 'response, respond'],
  [/stranger/i, 'unauthenticated client'],
  [/\bunder[ -]?way\b/i, 'in flight'],
  [/\bplaces? at Google\b/i, 'slot'],
  [/\bpatience\b/i, '…TimeoutMs'],
  [/\bmost[A-Z]\w*(?= =)/, 'max…'],
  [/\bleast[A-Z]\w*(?= =)/, 'min…'],
  [/\blongest[A-Z]\w*(?= =)/, 'max…Ms'],
  [/\b(?:RequestHead|IdleBytes|KeepPerUpload|KeepInAll|IdleConnection|LogLines)\b/, 'see src/config/retired.ts'],
  [/\b(?:KeptBody|kept-body|HeldAnswer|ReadAnswer|Tries|TryTrace|TryResult|tries\.ts)\b/, 'replay, buffered, attempt'],
  [/\b(?:FewAtOnce|few-at-once|Occupancy|firstPlace)\b/, 'FairSemaphore, LimiterStats, slot'],
  [/\b(?:Generations|generations\.ts|DataSide|OperationSide|whileRunning)\b/, 'ProxyRuntime, DataPlane, ProxyStatus'],
  [/\b(?:readOnAfterHangup|hangup\.ts|carriedBy|keepOpenWhileSending|discardUnread)\b/, 'see docs/architecture.md'],
  [/\b(?:bodyFlows|arriving-body|readingAlong|joinSmallChunks|joined-chunks)\b/, 'see docs/architecture.md'],
  [/\b(?:limitLastBytes|last-bytes|admitOnly|inTurn|in-turn|cutBy)\b/, 'see docs/architecture.md'],
  [/\b(?:FailedTries|countedAs|isHashOf|decoyLike|onlyLocalHosts)\b/, 'see docs/architecture.md'],
  [/\b(?:RefusalLog|RecordedRefusals|withoutEffect|harmlessError|shownHeaders|LineLog)\b/, 'see docs/architecture.md'],
  [/\b(?:withoutPatientData|askedBy|carryOut|takeOut|plansFor|lookOut)\b/, 'see docs/architecture.md'],
  [/\b(?:closeUnaccepted|endSoon|endWithReader|crashQuietly|unlessAborted|giveBack)\b/, 'see docs/architecture.md'],
  [/too-many-tries|requests_under_way/, 'too-many-failed-logins, requests_in_flight'],
  [/\b(?:Surroundings|Tally|Weather|Witness)\b/i, 'environment, counters, fault injector, probe'],
  [/\banew\b/i, 'again, newly'],
  [/\btaken out of\b/i, 'removed from'],
  [/\bfor want of\b/i, 'without'],
  [/\blest\b/, 'so that … not'],
  [/\bof ours\b/i, 'our'],
  [/\bwhatever\b/i, 'any, everything'],
  [/\b(?:it is|be) looked (?:whether|at)\b|\bbetween two looks\b/, 'check, poll'],
]

/** They name what has gone. */
const exempt: readonly RegExp[] = [/^src\/config\/retired\.ts$/, /^test\/retired-words\.ts$/]

const checked = /\.(?:ts|js|html|css|md|json|jsonc|yml|yaml)$/
const files = execFileSync('git', ['ls-files'], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => checked.test(file) && file !== 'package-lock.json' && file !== 'LICENSE')
  .filter((file) => !exempt.some((pattern) => pattern.test(file)))

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
