import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export function readText(project: string, path: string): string {
  return readFileSync(join(project, path), 'utf8')
}

export function readJson(project: string, path: string): unknown {
  return JSON.parse(readText(project, path))
}

export function git(project: string, ...words: readonly string[]): string {
  return execFileSync('git', words, { cwd: project, encoding: 'utf8' }).trim()
}

/** Where the repository can be read by everyone; null as long as package.json doesn't say it. */
export function repositoryUrl(project: string): string | null {
  const { repository } = readJson(project, 'package.json') as { repository?: string | { url: string } }
  const url = typeof repository === 'object' ? repository.url : repository
  return url?.replace(/^git\+/, '').replace(/\.git$/, '') ?? null
}
