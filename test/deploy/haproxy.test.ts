import { spawnSync } from 'node:child_process'
import t from 'tap'
import { needs } from '../helpers/peer.ts'

const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }
const isInstalled = spawnSync('haproxy', ['-v'], { env }).status === 0

// `npm run bench:restart` runs it.
t.test('HAProxy accepts the example', needs('haproxy (Debian: apt install haproxy)', isInstalled), async (t) => {
  const { status, stderr } = spawnSync('haproxy', ['-c', '-f', 'deploy/haproxy/haproxy.cfg'], { env, encoding: 'utf8' })
  t.equal(status, 0, stderr)
  t.notMatch(stderr, /WARNING/)
})
