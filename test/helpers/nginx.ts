import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { eventually } from './eventually.ts'
import { needs } from './peer.ts'
import { MISSING_PEER } from './tap-summary.ts'

const peer = 'nginx (Debian: apt install nginx)'
/** Debian has it where only root's PATH looks. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }
const isInstalled = spawnSync('nginx', ['-v'], { env }).status === 0

/** Options for `t.test` of a test that needs nginx. */
export function needsNginx(): { skip?: string } {
  return needs(peer, isInstalled)
}

export interface Nginx {
  /** A port that was free before nginx listened on it. */
  readonly port: number
  /** What it has written to its error log so far. */
  errors(): Promise<string>
}

/**
 * A real nginx that ends with the test. For tests with `needsNginx()`.
 *
 * @param site what stands in `http { }`, made for a port and for a folder of files
 */
export async function startNginx(t: Test, site: (port: number, folder: string) => string): Promise<Nginx> {
  // Only with CI=true does a test come here without one.
  if (!isInstalled) throw new Error(`${MISSING_PEER}${peer}`)
  const folder = await mkdtemp(join(tmpdir(), 'nginx-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const port = await freePort()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  )
  const lines = [
    'daemon off;',
    'worker_processes 1;',
    // As root, it would give its worker another user, who can't read the folder.
    ...(process.getuid?.() === 0 ? ['user root;'] : []),
    `pid ${folder}/nginx.pid;`,
    `error_log ${folder}/error.log info;`,
    'events {}',
    'http {',
    'access_log off;',
    ...temporary,
    site(port, folder),
    '}',
  ]
  await writeFile(join(folder, 'nginx.conf'), `${lines.join('\n')}\n`)
  const errors = () => readFile(join(folder, 'error.log'), 'utf8')
  const nginx = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  nginx.stderr.setEncoding('utf8').on('data', (text) => {
    said += text
  })
  const ended = once(nginx, 'exit')
  t.teardown(async () => {
    nginx.kill('SIGTERM')
    await ended
  })
  await eventually('nginx serves', async () => {
    if (nginx.exitCode !== null) throw new Error(`nginx ended: ${said}`)
    return /start worker process \d/.test(await errors().catch(() => ''))
  })
  return { port, errors }
}
