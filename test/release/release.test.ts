import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { changelogProblems, releaseNotes } from '../../packaging/release/changelog.ts'
import { releaseProblems } from '../../packaging/release/checks.ts'
import { differences, writeChecksums } from '../../packaging/release/checksums.ts'

const changelog = `# Changelog

## [Unreleased]

## [1.1.0] - 2026-12-01

### Added

- One thing, which takes
  two lines: [clients](docs/clients.md#tls) and [elsewhere](https://example.org/).
- Another.

A paragraph of
two lines.

## [1.0.0] - 2026-11-28

- The first.
`

test('the changelog has a section for the version, and nothing that belongs to none', async (t) => {
  t.same(changelogProblems(changelog, '1.1.0'), [])
  t.match(changelogProblems(changelog, '1.2.0'), [/no section \[1\.2\.0\]/])
  t.match(changelogProblems(changelog.replace('## [1.1.0]', '\n- New.\n\n## [1.1.0]'), '1.1.0'), [
    /entries under \[Unreleased\]: move them/,
  ])
  for (const date of ['', ' - soon', ' - 2026-13-01', ' - 2026-02-30']) {
    t.match(changelogProblems(changelog.replace(' - 2026-12-01', date), '1.1.0'), [/has no date/], date)
  }
  t.match(changelogProblems('## [Unreleased]\n\n## [1.0.0] - 2026-11-28\n', '1.0.0'), [/is empty/])
})

test('release notes: the section, a line for each paragraph, links into the repository', async (t) => {
  t.equal(
    releaseNotes(changelog, '1.1.0', 'https://example.com/proxy'),
    `### Added

- One thing, which takes two lines: [clients](https://example.com/proxy/blob/v1.1.0/docs/clients.md#tls) and [elsewhere](https://example.org/).
- Another.

A paragraph of two lines.
`,
  )
  t.match(releaseNotes(changelog, '1.1.0', null), '(docs/clients.md#tls)')
  t.equal(releaseNotes(changelog, '1.0.0', null), '- The first.\n')
})

interface Clone {
  readonly folder: string
  readonly git: (...words: string[]) => string
  readonly write: (path: string, content: string | object) => void
}

/** What a clone that can be released has, committed. */
function clone(t: Test): Clone {
  const folder = t.testdir({})
  const identity = { GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@example.org' }
  const env = { ...process.env, ...identity, GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@example.org' }
  const git = (...words: string[]) => execFileSync('git', words, { cwd: folder, env, encoding: 'utf8' })
  const write = (path: string, content: string | object) =>
    writeFileSync(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content))
  mkdirSync(join(folder, 'docs/development/conformance'), { recursive: true })
  write('package.json', { name: 'proxy', version: '1.1.0' })
  write('package-lock.json', { version: '1.1.0', packages: { '': { version: '1.1.0' } } })
  write('CHANGELOG.md', changelog)
  write('docs/development/conformance/1.1.0.json', { atGoogle: true, version: '1.1.0', counts: { failed: 0 } })
  git('init', '--quiet')
  git('add', '.')
  git('commit', '--quiet', '--message', 'Start')
  return { folder, git, write }
}

test('a clone that can be released, also once its tag is there', async (t) => {
  const { folder, git } = clone(t)
  t.same(releaseProblems(folder), [])
  git('tag', 'v1.1.0')
  t.same(releaseProblems(folder), [])
})

test('everything that is not ready is told at once', async (t) => {
  const { folder, git, write } = clone(t)
  git('tag', 'v1.1.0')
  git('commit', '--quiet', '--allow-empty', '--message', 'More')
  write('package-lock.json', { version: '1.0.0', packages: { '': { version: '1.1.0' } } })
  write('CHANGELOG.md', changelog.replace('[1.1.0]', '[1.2.0]'))
  write('docs/development/conformance/1.1.0.json', { atGoogle: false, version: '0.1.0', counts: { failed: 2 } })
  t.match(releaseProblems(folder), [
    /not committed \(M CHANGELOG\.md and 2 more\)/,
    /package-lock\.json 1\.0\.0 and 1\.1\.0/,
    /no section \[1\.1\.0\]/,
    /The tag v1\.1\.0 is on another commit/,
    /not about a store of Google's/,
    /statements that failed/,
    /about version 0\.1\.0/,
  ])
  git('rm', '--quiet', '--force', 'docs/development/conformance/1.1.0.json')
  t.match(releaseProblems(folder).at(-1), /no conformance report docs\/development\/conformance\/1\.1\.0\.json/)
})

test('checksums as sha256sum reads them, and what differs between two runs', async (t) => {
  const folder = t.testdir({ b: 'two', a: 'one' })
  const sums = writeChecksums(folder)
  t.match(readFileSync(join(folder, 'SHA256SUMS'), 'utf8'), /^7692c3ad\w{56} {2}a\n3fc4ccfe\w{56} {2}b\n$/)
  t.same(differences(sums, writeChecksums(folder)), [])
  writeFileSync(join(folder, 'b'), 'three')
  writeFileSync(join(folder, 'c'), '')
  t.same(differences(sums, writeChecksums(folder)), ['b', 'c'])
})
