import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'

const bench = fileURLToPath(new URL('../../bench/main.ts', import.meta.url))
const run = (...args: string[]) => promisify(execFile)(process.execPath, [bench, ...args])
const skip = process.platform !== 'linux' && 'the bench needs Linux'

test('one measurement of our proxy, from the command to the results', { skip }, async (t) => {
  const folder = t.testdir()
  const { stdout } = await run('--only', 'refresh', '--contenders', 'gcp-dicomweb-proxy', '--results', folder)
  const report = await readFile(join(folder, 'latest.md'), 'utf8')
  t.match(report, /revoked token \| 1 +\| 1 +\| met \|/)
  t.equal(stdout.trim(), report.trim(), 'the same is shown')
  t.notMatch(report, /not finished/)
})

test('unknown names are refused, with those that are known', async (t) => {
  await t.rejects(run('--only', 'smal'), { code: 2, stderr: /Unknown: smal\. Known: small, json/ })
  await t.rejects(run('--contenders', 'nginy'), { code: 2, stderr: /Known: TLS pipe, nginx/ })
  await t.rejects(run('--rounds', '0'), { code: 2, stderr: /from 1 up: 0/ })
})
