// Also an old Node must understand this file, and reads it first: no imports, nothing new.

/**
 * The first release of each line with Node's fixes of July 2026, CVE-2026-58044 among them: before
 * it, headers beyond a limit were dropped, and framed the body all the same
 * (https://nodejs.org/en/blog/vulnerability/july-2026-security-releases). The line 25 had ended by
 * then, without them. That lines after 26 have them from their beginning is an assumption: they
 * branch off later. `engines` in package.json says the same.
 */
const minVersions = { 24: '24.18.1', 26: '26.5.1' }

/** A line for the user, if this program must not run on this Node; else null. */
export function unsuitableNode(version: string): string | null {
  if (isNewEnough(version)) return null
  return (
    `gcp-dicomweb-proxy needs Node.js ${minVersions[24]} or a newer release of the line 24, or ${minVersions[26]} or newer, and this is ${version}: ` +
    'install one of them, or a package that brings its own (docs/installing.md).'
  )
}

function isNewEnough(version: string): boolean {
  const [major = 0] = numbersOf(version)
  if (major > 26) return true
  if (major !== 24 && major !== 26) return false
  return compare(numbersOf(version), numbersOf(minVersions[major])) >= 0
}

function numbersOf(version: string): number[] {
  return version.split('.').map((part) => Number.parseInt(part, 10))
}

function compare(one: readonly number[], other: readonly number[]): number {
  const differences = one.map((part, at) => part - (other[at] || 0))
  return differences.find((difference) => difference !== 0) || 0
}
