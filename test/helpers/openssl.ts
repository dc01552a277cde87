import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { needs } from './peer.ts'

const isInstalled = spawnSync('openssl', ['version']).status === 0

/** Options for `t.test` of a test that needs openssl. */
export function needsOpenssl(): { skip?: string } {
  return needs('openssl (Debian: apt install openssl)', isInstalled)
}

/** Runs openssl, and returns what it printed on both outputs. */
export function openssl(words: readonly string[], options: { input?: string; timeout?: number } = {}) {
  const { status, stdout, stderr } = spawnSync('openssl', words, {
    encoding: 'utf8',
    input: '',
    timeout: 20_000,
    ...options,
  })
  return { status, output: `${stdout}${stderr}` }
}

/** Files of a certificate and its key, PEM, and what they hold. */
export interface Identity {
  readonly certificate: string
  readonly key: string
  readonly cert: string
  readonly keyText: string
}

export interface IdentityOptions {
  /** As openssl's `-subj` has it. */
  readonly subject?: string
  /** As openssl's `subjectAltName` has them. */
  readonly alternatives?: readonly string[]
  readonly usage?: 'serverAuth' | 'clientAuth'
  /** Negative: it has ended. */
  readonly days?: number
}

/** An authority made for one test, and what it signs. All of it is removed with the test. */
export interface Authority {
  /** Its certificate's file. */
  readonly certificate: string
  readonly cert: string
  issue(options?: IdentityOptions): Identity
}

export function makeAuthority(t: Test, name = 'Test authority'): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'authority-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const certificate = join(folder, 'ca.pem')
  const key = join(folder, 'ca.key')
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  run(['req', '-x509', ...curve, '-keyout', key, '-out', certificate, '-days', '30', '-subj', `/CN=${name}`])
  let count = 0
  const issue = (options: IdentityOptions = {}): Identity => {
    const { subject = '/CN=localhost', usage = 'serverAuth', days = 2 } = options
    const { alternatives = usage === 'serverAuth' ? ['DNS:localhost', 'IP:127.0.0.1'] : [] } = options
    count += 1
    const file = join(folder, `${count}`)
    writeFileSync(`${file}.cnf`, extensions(usage, alternatives))
    run(['req', '-new', ...curve, '-keyout', `${file}.key`, '-out', `${file}.csr`, '-utf8', '-subj', subject])
    const signing = ['-CA', certificate, '-CAkey', key, '-CAcreateserial', '-extfile', `${file}.cnf`]
    run(['x509', '-req', '-in', `${file}.csr`, '-out', `${file}.pem`, ...signing, '-days', `${days}`])
    return identity(`${file}.pem`, `${file}.key`)
  }
  return { certificate, cert: readFileSync(certificate, 'utf8'), issue }
}

/** Each name on a line of its own: so it may hold commas. */
function extensions(usage: string, alternatives: readonly string[]): string {
  const names = alternatives.map((name, at) => name.replace(':', `.${at} = `))
  return [
    'basicConstraints = critical,CA:FALSE',
    `extendedKeyUsage = ${usage}`,
    ...(names.length > 0 ? ['subjectAltName = @names', '[names]', ...names] : []),
    '',
  ].join('\n')
}

function identity(certificate: string, key: string): Identity {
  return { certificate, key, cert: readFileSync(certificate, 'utf8'), keyText: readFileSync(key, 'utf8') }
}

function run(words: readonly string[]): void {
  const { status, output } = openssl(words)
  if (status !== 0) throw new Error(`openssl ${words[0]}: ${output}`)
}
