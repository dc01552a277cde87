/**
 * `npm test`: runs tap with the arguments given, and says at the end what could not be tested and why. It changes nothing
 * on the machine: `npm run setup` installs what tests need.
 * The last line is always `N passed, N failed`, with `, N skipped` where there were any; the exit code is tap's.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { closingLines, countTests } from './helpers/tap-summary.ts'

const project = fileURLToPath(new URL('..', import.meta.url))
const tap = fileURLToPath(new URL('run.mjs', import.meta.resolve('tap')))
const tapBuilt = join(project, 'node_modules/@tapjs/test/test-built/dist/esm/index.js')
// Compiling the same modules again for each file took a third of the time of a short one.
const env = { NODE_COMPILE_CACHE: join(project, '.tap/compile-cache'), ...process.env }

process.exitCode = await main(process.argv.slice(2))

async function main(options: readonly string[]): Promise<number> {
  if (!buildTap()) return finish('', 1)
  const { output, exitCode } = process.stdout.isTTY ? await runForPerson(options) : await runForLog(options)
  return finish(output, exitCode)
}

interface Run {
  /** In the Test Anything Protocol. */
  readonly output: string
  readonly exitCode: number
}

/** tap shows a person its progress, and writes what happened into a file. */
async function runForPerson(options: readonly string[]): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'tap-output-'))
  const file = join(folder, 'output.tap')
  const tests = spawn(process.execPath, [tap, 'run', `--output-file=${file}`, ...options], {
    cwd: project,
    env,
    stdio: 'inherit',
  })
  const [exitCode] = (await once(tests, 'close')) as [number | null]
  const output = existsSync(file) ? readFileSync(file, 'utf8') : ''
  rmSync(folder, { recursive: true, force: true })
  return { output, exitCode: exitCode ?? 1 }
}

/** Into a log, tap writes its protocol; with a file besides it would write each line twice. */
async function runForLog(options: readonly string[]): Promise<Run> {
  const tests = spawn(process.execPath, [tap, 'run', '--reporter=tap', ...options], {
    cwd: project,
    env,
    stdio: ['inherit', 'pipe', 'inherit'],
  })
  let output = ''
  tests.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
    process.stdout.write(text)
  })
  const [exitCode] = (await once(tests, 'close')) as [number | null]
  return { output, exitCode: exitCode ?? 1 }
}

function finish(output: string, exitCode: number): number {
  const count = countTests(output, exitCode)
  process.stdout.write(`\n${closingLines(output, count).join('\n')}\n`)
  return exitCode || (count.failed > 0 ? 1 : 0)
}

// A fresh install holds tap's default plugins. Ours leave out its TypeScript plugin, which fails with TypeScript 7.
function buildTap(): boolean {
  const isBuilt = existsSync(tapBuilt) && !readFileSync(tapBuilt, 'utf8').includes('@tapjs/typescript')
  return isBuilt || spawnSync(process.execPath, [tap, 'build'], { cwd: project, stdio: 'inherit' }).status === 0
}
