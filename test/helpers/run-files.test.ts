import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { LONG_FILES } from '../long-files.ts'
import { asSubtest, type FileRun, runFiles } from './run-files.ts'
import { closingLines, sumOf } from './tap-summary.ts'

const tap = `import t from ${JSON.stringify(import.meta.resolve('tap'))}\n`
const cwd = t.testdir({
  'fine.ts': `${tap}t.test('a', async (t) => { t.ok(1); t.ok(1) })`,
  'fails.ts': `${tap}t.test('a', async (t) => { t.ok(1); t.equal(1, 2, 'one is two') })`,
  'leaves.ts': `${tap}t.test('a', async (t) => { t.ok(1); process.exit(0) })`,
  'exit-code.ts': `${tap}t.ok(1); process.on('exit', () => { process.exitCode = 3 })`,
  'killed.ts': `${tap}t.ok(1); t.test('a', async () => { process.kill(process.pid, 'SIGKILL'); await new Promise(() => {}) })`,
  'empty.ts': tap,
  'skips.ts': `${tap}t.test('a', { skip: 'missing peer: Orthanc' }, async () => {})`,
  'no-tap.ts': '',
  'stands.ts': `${tap}t.ok(1); t.test('a', () => new Promise(() => setInterval(() => {}, 1000)))`,
  'hangs.ts': `${tap}t.ok(1); for (;;);`,
})
const project = fileURLToPath(new URL('../..', import.meta.url))

async function run(names: readonly string[], options: Partial<Parameters<typeof runFiles>[1]> = {}) {
  const runs = new Map<string, FileRun>()
  for await (const one of runFiles(names, { jobs: 3, cwd, ...options })) runs.set(one.file, one)
  return runs
}

t.test('a file fails in every way in which it can end early', async (t) => {
  const runs = await run([
    'fine.ts',
    'fails.ts',
    'leaves.ts',
    'exit-code.ts',
    'killed.ts',
    'empty.ts',
    'skips.ts',
    'no-tap.ts',
  ])
  const failed = (file: string) => runs.get(file)?.count.failed
  t.same(runs.get('fine.ts')?.count, { passed: 2, failed: 0, skipped: 0 })
  t.same(runs.get('fails.ts')?.count, { passed: 1, failed: 1, skipped: 0 })
  t.same(runs.get('skips.ts')?.count, { passed: 0, failed: 0, skipped: 1 })
  for (const file of ['leaves.ts', 'exit-code.ts', 'killed.ts', 'empty.ts', 'no-tap.ts']) {
    t.equal(failed(file), 1, file)
  }
  const output = [...runs.values()].map((one, index) => asSubtest(index + 1, one)).join('')
  const lines = closingLines(
    output,
    sumOf(
      [...runs.values()].map(({ count }) => count),
      runs.size,
    ),
  )
  t.ok(lines.includes('failed: fails.ts > a > one is two'))
  t.match(lines.join('\n'), /failed: killed\.ts.*\n.*ended by SIGKILL/)
  t.match(lines.join('\n'), /failed: exit-code\.ts\n.*ended with exit code 3/)
  t.ok(lines.includes('missing peer: Orthanc'))
})

t.test('a file that stands still ends at its limit, and says where; one that cannot is killed', async (t) => {
  const runs = await run(['stands.ts', 'hangs.ts'], { timeoutMs: 3000, killAfterMs: 4000 })
  const stands = runs.get('stands.ts')
  t.match(stands?.output, /not ok .* a\b.*\n/)
  t.match(stands?.output, /timeout/)
  t.equal(stands?.count.passed, 1)
  t.match(runs.get('hangs.ts'), { broken: 'ended by SIGKILL', count: { failed: 1 } })
})

t.test('an interrupted run starts nothing more', async (t) => {
  const ending = new AbortController()
  const started = run(['stands.ts', 'fine.ts'], { jobs: 1, signal: ending.signal })
  ending.abort()
  t.strictSame([...(await started).keys()], ['stands.ts'])
})

t.test('a test is started without hooks between it and its modules', async (t) => {
  const file = join(t.testdir({ 'a.ts': 'console.log(process.execArgv, process.env.NODE_OPTIONS)' }), 'a.ts')
  t.match((await run([file])).get(file)?.output, /^\[\] undefined/)
  t.ok(file.startsWith(project))
})

t.test('the files that are to start first are there', async (t) => {
  for (const file of LONG_FILES) t.ok(existsSync(join(project, file)), file)
})
