import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { compileCache } from '../helpers/program.ts'

const script = fileURLToPath(new URL('print-token.ts', import.meta.url))

function run(environment: Record<string, string>) {
  return spawnSync(process.execPath, [script], {
    env: { ...compileCache, PATH: process.env.PATH, ...environment },
    encoding: 'utf8',
  })
}

test('nothing but what we print is printed', async (t) => {
  const { stdout, stderr, status } = run({})
  t.equal(stderr, '')
  t.match(stdout, /^\d+ tokens\n$/)
  t.equal(status, 0)
})

test('the debug output of the libraries holds no token and no key', async (t) => {
  const { stdout, stderr, status } = run({
    GOOGLE_SDK_NODE_LOGGING: '*',
    NODE_DEBUG: 'auth,google*,gaxios,undici,fetch,http,https,net,tls',
    DEBUG: '*',
  })
  t.equal(status, 0)
  t.match(stderr, /^(UNDICI|FETCH|NET) /m, 'debug output is on')
  t.match(stdout, /^\d+ tokens\n$/)
  for (const secret of [
    /ya29/,
    /eyJ/,
    /Bearer/i,
    /PRIVATE KEY/,
    /assertion/,
    /client_secret/,
    /refresh_token=/,
    /1\/\//,
  ]) {
    t.notMatch(stdout, secret)
    t.notMatch(stderr, secret)
  }
})
