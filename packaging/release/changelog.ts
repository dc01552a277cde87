/** A section of CHANGELOG.md, which follows Keep a Changelog. */
export interface Section {
  /** `1.0.0`, or `Unreleased`. */
  readonly version: string
  /** As written, `2026-11-28`; null without one. */
  readonly date: string | null
  readonly body: string
}

const heading = /^## \[([^\]]+)\](?: - (.*))?$/gm

export function sectionsOf(changelog: string): readonly Section[] {
  const headings = [...changelog.matchAll(heading)]
  return headings.map((match, at) => {
    const [line, version = '', date = null] = match
    const body = changelog.slice(match.index + line.length, headings[at + 1]?.index).trim()
    return { version, date, body }
  })
}

/** Why the changelog doesn't fit a release of this version, a sentence each. */
export function changelogProblems(changelog: string, version: string): readonly string[] {
  const sections = sectionsOf(changelog)
  const unreleased = sections.find((section) => section.version === 'Unreleased')
  const own = sections.find((section) => section.version === version)
  const problems: string[] = []
  if (unreleased?.body) {
    problems.push(
      `CHANGELOG.md has entries under [Unreleased]: move them under "## [${version}] - YYYY-MM-DD", and leave [Unreleased] empty.`,
    )
  }
  if (!own) problems.push(`CHANGELOG.md has no section [${version}]: write "## [${version}] - YYYY-MM-DD".`)
  else if (own.date === null || !isDate(own.date)) {
    problems.push(`The section [${version}] of CHANGELOG.md has no date: write "## [${version}] - YYYY-MM-DD".`)
  } else if (own.body === '') problems.push(`The section [${version}] of CHANGELOG.md is empty.`)
  return problems
}

function isDate(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`)
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text)
}

/**
 * The version's section for a page of releases, which shows each line break: with the lines of a
 * paragraph joined, and links that lead into the repository, if its address is known.
 */
export function releaseNotes(changelog: string, version: string, repository: string | null): string {
  const sections = sectionsOf(changelog)
  const section =
    sections.find((one) => one.version === version) ?? sections.find((one) => one.version === 'Unreleased')
  if (!section) throw new Error(`CHANGELOG.md has no section [${version}].`)
  const joined = section.body.replace(/(?<=\S)\n[ ]*(?=[^\s#*-])/g, ' ')
  const linked =
    repository === null ? joined : joined.replace(/\]\((?![a-z]+:|#)/g, `](${repository}/blob/v${version}/`)
  return `${linked}\n`
}
