import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { findOrthanc } from '../../src/orthanc/find-orthanc.ts'

const MINUTE = 60_000
// A machine without a network shall find that out soon.
const timeoutMs = ['-o', 'Acquire::http::Timeout=20', '-o', 'Acquire::https::Timeout=20', '-o', 'Acquire::Retries=2']

/**
 * Installs Orthanc for the tests that need a real one, where that is possible: as root, on Debian.
 * Elsewhere, and when it fails, those tests are skipped and name what they miss.
 */
export function installOrthanc(): void {
  if (findOrthanc() || process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return
  process.stderr.write('Orthanc is missing: apt-get install orthanc orthanc-dicomweb\n')
  aptGet(['update'], 3 * MINUTE)
  aptGet(['install', '-y', '--no-install-recommends', 'orthanc', 'orthanc-dicomweb'], 5 * MINUTE)
}

function aptGet(command: readonly string[], timeout: number): void {
  const { status, stderr, error } = spawnSync('apt-get', ['-q', ...timeoutMs, ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    timeout,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  if (status !== 0) process.stderr.write(`apt-get ${command[0]} failed: ${error?.message ?? stderr.trim()}\n`)
}
