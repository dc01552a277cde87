import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Test, test } from 'tap'

const [logger, destination] = ['observe/logger.ts', 'cli/serve/log-destination.ts'].map(
  (file) => new URL(`../../src/${file}`, import.meta.url).href,
)

const programOf = (program: string) =>
  `import { createLogger } from '${logger}'; import { logDestination } from '${destination}';
    const log = createLogger({ verbose: false, destination: logDestination(process) }); ${program}`

/** Runs a program that logs into a file. Returns the numbers in its lines, and what ended it. */
async function logged(t: Test, program: string) {
  const path = join(t.testdir(), 'log')
  const file = await open(path, 'w')
  const whole = programOf(program)
  const child = spawn(process.execPath, ['--input-type=module', '-e', whole], { stdio: ['ignore', file.fd, 'ignore'] })
  const [code] = await once(child, 'exit')
  await file.close()
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '')
  return { code, numbers: lines.map((line) => JSON.parse(line).number) }
}

const numbersTo = (end: number) => Array.from({ length: end }, (_, at) => at)
const writeTo = (end: number) => `for (let number = 0; number < ${end}; number += 1) log.info({ number }, 'line');`

test('all lines get to a file, whole and in order', async (t) => {
  t.same(await logged(t, writeTo(5_000)), { code: 0, numbers: numbersTo(5_000) })
})

test('so they do when the program ends itself within the same turn', async (t) => {
  t.same(await logged(t, `${writeTo(10)} process.exit(3)`), { code: 3, numbers: numbersTo(10) })
})

test('and when it crashes', async (t) => {
  t.same(await logged(t, `${writeTo(10)} throw new Error('bug')`), { code: 1, numbers: numbersTo(10) })
})

test('one that is killed leaves the lines of the turns before', async (t) => {
  const { numbers } = await logged(t, `${writeTo(10)} setImmediate(() => process.kill(process.pid, 'SIGKILL'))`)
  t.same(numbers, numbersTo(10))
})

test('lines that nobody reads are kept up to a limit, then counted; what is read is whole and in order', async (t) => {
  const count = 60_000
  const whole = programOf(
    `${writeTo(count)} process.stderr.write('written'); setInterval(() => log.info({ number: -1 }, 'later'), 20)`,
  )
  const child = spawn(process.execPath, ['--input-type=module', '-e', whole], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stderr, 'data')
  const numbers: number[] = []
  let lost = 0
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text)
    if (line.number === -1) break
    if (line.lost) lost += line.lost
    else numbers.push(line.number)
  }
  t.ok(lost > 0 && numbers.length > 10_000, `${lost} lost, ${numbers.length} read`)
  t.same(numbers, numbersTo(count - lost))
})

const noPipe = process.platform === 'win32' && 'no shell'

// During a restart, two processes log into the same pipe.
test('lines of two programs in one pipe stay whole', { skip: noPipe }, async (t) => {
  // Some lines must wait until the pipe has room.
  const program = programOf(`for (let number = 0; number < 4000; number += 1) {
    log.info({ number, padding: 'x'.repeat(number % 300) }, 'line')
    if (number % 50 === 49) await new Promise((resolve) => setImmediate(resolve))
  }`)
  const both = '"$0" --input-type=module -e "$1" & "$0" --input-type=module -e "$1" & wait'
  const child = spawn('sh', ['-c', both, process.execPath, program], { stdio: ['ignore', 'pipe', 'ignore'] })
  const numbers: number[] = []
  for await (const line of createInterface({ input: child.stdout })) numbers.push(JSON.parse(line).number)
  t.same(
    numbers.toSorted((one, other) => one - other),
    numbersTo(4_000).flatMap((number) => [number, number]),
  )
})
