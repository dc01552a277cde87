import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { changelogProblems } from './changelog.ts'
import { git, readJson, readText } from './project.ts'

/** Why this clone can't be released as it is, a sentence each. */
export function releaseProblems(project: string): readonly string[] {
  const { version } = readJson(project, 'package.json') as { version: string }
  return [
    ...workTreeProblems(project),
    ...versionProblems(project, version),
    ...changelogProblems(readText(project, 'CHANGELOG.md'), version),
    ...tagProblems(project, version),
    ...reportProblems(project, version),
  ]
}

function workTreeProblems(project: string): readonly string[] {
  const changed = git(project, 'status', '--porcelain')
  if (changed === '') return []
  const [first = '', ...others] = changed.split('\n')
  const more = others.length === 0 ? '' : ` and ${others.length} more`
  return [
    `The work tree has changes that are not committed (${first.trim()}${more}): commit them, or use a clean clone.`,
  ]
}

function versionProblems(project: string, version: string): readonly string[] {
  const lock = readJson(project, 'package-lock.json') as {
    version: string
    packages: Readonly<Record<string, { version: string }>>
  }
  const inLock = [lock.version, lock.packages['']?.version]
  if (inLock.every((other) => other === version)) return []
  return [
    `package.json has version ${version}, package-lock.json ${inLock.join(' and ')}: run npm install --package-lock-only.`,
  ]
}

/** In the workflow, the tag is there already: on the commit that is released. */
function tagProblems(project: string, version: string): readonly string[] {
  const tagged = git(project, 'tag', '--list', `v${version}`)
  if (tagged === '') return []
  if (git(project, 'rev-parse', `v${version}^{commit}`) === git(project, 'rev-parse', 'HEAD')) return []
  return [`The tag v${version} is on another commit: choose the next version.`]
}

/** docs/development/releasing.md: nothing is released that no real store has seen. */
function reportProblems(project: string, version: string): readonly string[] {
  const name = `docs/development/conformance/${version}.json`
  const how = 'see docs/development/releasing.md'
  if (!existsSync(join(project, name))) return [`There is no conformance report ${name}: ${how}.`]
  const report = readJson(project, name) as { atGoogle?: unknown; version?: unknown; counts?: { failed?: unknown } }
  const problems: string[] = []
  if (report.atGoogle !== true) problems.push(`${name} is not about a store of Google's ("atGoogle"): ${how}.`)
  if (report.counts?.failed !== 0) problems.push(`${name} has statements that failed ("counts"): ${how}.`)
  if (report.version !== version) problems.push(`${name} is about version ${String(report.version)}: ${how}.`)
  return problems
}
