import { spawnSync } from 'node:child_process'
import { test } from 'tap'

/**
 * gaxios reads the variable itself, and took `host:port`, which every other program understands,
 * for a broken URL.
 */
test('HTTPS_PROXY in the environment may be host:port, as elsewhere', async (t) => {
  const script = new URL('../credentials/print-token.ts', import.meta.url).pathname
  for (const HTTPS_PROXY of ['10.0.0.1:3128', 'user:secret@10.0.0.1:3128', 'nonsense']) {
    const { stdout } = spawnSync(process.execPath, [script], {
      env: { ...process.env, HTTPS_PROXY },
      encoding: 'utf8',
    })
    t.match(stdout, /^\d+ tokens$/m, HTTPS_PROXY)
  }
})
