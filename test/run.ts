/**
 * `npm test`: runs all test files, or those given, and says at the end what failed, and what could
 * not be tested and why. It changes nothing on the machine: `npm run setup` installs what tests
 * need. The last line is always `N passed, N failed`, with `, N skipped` where there were any.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { asSubtest, type FileRun, runFiles } from './helpers/run-files.ts'
import { closingLines, sumOf, type TestCount } from './helpers/tap-summary.ts'
import { LONG_FILES } from './long-files.ts'

const project = fileURLToPath(new URL('..', import.meta.url))
const tap = fileURLToPath(new URL('run.mjs', import.meta.resolve('tap')))
const tapBuilt = join(project, 'node_modules/@tapjs/test/test-built/dist/esm/index.js')
// Compiling the same modules again for each file took a third of the time of a short one.
const env = {
  NODE_COMPILE_CACHE: join(project, '.tap/compile-cache'),
  // What documents and tests write in messages, in place of a clone's `npm start --silent --`.
  GCP_DICOMWEB_PROXY_COMMAND: 'gcp-dicomweb-proxy',
  ...process.env,
}

process.exitCode = await main()

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      jobs: { type: 'string', default: String(Math.min(8, 2 * availableParallelism())) },
      'node-option': { type: 'string', multiple: true, default: [] },
    },
    allowPositionals: true,
  })
  const files = findFiles(positionals)
  const counts: TestCount[] = []
  let output = ''
  if (buildTap()) {
    if (!process.stdout.isTTY) process.stdout.write(`TAP version 14\n1..${files.length}\n`)
    for await (const run of runFiles(files, {
      jobs: Number(values.jobs),
      cwd: project,
      env,
      nodeOptions: ['--disable-warning=DEP0060', ...values['node-option']],
      signal: endedBySignal(),
    })) {
      counts.push(run.count)
      const subtest = asSubtest(counts.length, run)
      output += subtest
      process.stdout.write(process.stdout.isTTY ? lineOf(run, counts.length, files.length) : subtest)
    }
  }
  const count = sumOf(counts, files.length)
  process.stdout.write(`\n${closingLines(output, count).join('\n')}\n`)
  return count.failed > 0 ? 1 : 0
}

function endedBySignal(): AbortSignal {
  const ending = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => ending.abort())
  return ending.signal
}

/** All, or those that are given by name, folder or pattern; those that take long come first. */
function findFiles(given: readonly string[]): string[] {
  const found = given.flatMap((name) => {
    const isFolder = existsSync(name) && statSync(name).isDirectory()
    const named = globSync(isFolder ? join(name, '**/*.test.ts') : name)
    if (named.length === 0) process.stderr.write(`no test file: ${name}\n`)
    return named
  })
  const files = given.length > 0 ? found.map((name) => relative(project, join(process.cwd(), name))) : allFiles()
  const rank = (file: string) => LONG_FILES.indexOf(file) + 1 || LONG_FILES.length + 1
  return [...new Set(files)].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b, 'en'))
}

function allFiles(): string[] {
  return globSync('test/**/*.test.ts', { cwd: project })
}

/** For a person, who sees what failed at the end. */
function lineOf({ file, count, broken, durationMs }: FileRun, number: number, total: number): string {
  const result = broken || (count.failed > 0 ? `${count.failed} FAILED` : `${count.passed} passed`)
  return `${number}/${total} ${file}: ${result} (${(durationMs / 1000).toFixed(1)} s)\n`
}

// A fresh install holds tap's default plugins. Ours leave out its TypeScript plugin, which fails
// with TypeScript 7.
function buildTap(): boolean {
  const isBuilt = existsSync(tapBuilt) && !readFileSync(tapBuilt, 'utf8').includes('@tapjs/typescript')
  return isBuilt || spawnSync(process.execPath, [tap, 'build'], { cwd: project, stdio: 'inherit' }).status === 0
}
