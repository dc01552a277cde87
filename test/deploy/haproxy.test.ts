import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { eventually } from '../helpers/eventually.ts'
import { needs } from '../helpers/peer.ts'
import { demoAccount, startServed } from '../helpers/served.ts'

const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }
const isInstalled = spawnSync('haproxy', ['-v'], { env }).status === 0
const haproxy = needs('haproxy (Debian: apt install haproxy)', isInstalled)
const example = 'deploy/haproxy/haproxy.cfg'

// `npm run bench:restart` restarts both proxies behind it.
t.test('HAProxy accepts the example', haproxy, async (t) => {
  const { status, stderr } = spawnSync('haproxy', ['-c', '-f', example], { env, encoding: 'utf8' })
  t.equal(status, 0, stderr)
  t.notMatch(stderr, /WARNING/)
})

t.test('behind it, an account without a token takes no other out of service', haproxy, async (t) => {
  const text = readFileSync(example, 'utf8')
  t.match(text, '"Readiness": "any"')
  const { proxy } = await startServed(t, {
    accounts: ({ serviceAccountFile }) => ({
      broken: { ...demoAccount, ServiceAccountFile: `${serviceAccountFile}.missing` },
    }),
    proxy: { Readiness: 'any' },
  })
  const port = await freePort()
  const other = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'haproxy-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const file = join(folder, 'haproxy.cfg')
  const [listen, admin] = [new URL(proxy.url).port, new URL(proxy.adminUrl ?? '').port]
  await writeFile(
    file,
    text
      .replace('bind 127.0.0.1:8143', `bind 127.0.0.1:${port}`)
      .replace('127.0.0.1:8043 check port 8044', `127.0.0.1:${listen} check port ${admin}`)
      .replace('127.0.0.1:8053 check port 8054', `127.0.0.1:${other} check port ${other}`),
  )
  const child = spawn('haproxy', ['-db', '-f', file], { env, stdio: 'ignore' })
  t.teardown(async () => {
    if (child.exitCode === null && child.kill()) await once(child, 'exit')
  })
  const statusOf = async (account: string) => {
    const response = await fetch(`http://127.0.0.1:${port}/${account}/studies`).catch(() => null)
    await response?.arrayBuffer()
    return response?.status ?? null
  }
  // Until it has checked the servers, of which the second isn't there.
  await eventually('the good account is served', async () => (await statusOf('google')) === 200)
  t.equal(await statusOf('broken'), 503, 'by the proxy, which says why')
})
