import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import type { OrthancRest } from '../../src/orthanc/orthanc-rest.ts'
import { Harness } from '../check/harness.ts'
import { compileCache, ended, startProgram } from '../helpers/program.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/** Runs the command as a person would in a pipe. */
export async function register(args: readonly string[], { environment = {}, input = '' } = {}) {
  const child = spawn(process.execPath, ['--disable-warning=DEP0060', main, 'register', ...args], {
    env: { ...compileCache, PATH: process.env.PATH ?? '', ...environment },
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), ended(child)])
  return { stdout, stderr, code: child.exitCode }
}

export async function harnessOf(t: Test): Promise<Harness> {
  const harness = await Harness.open()
  t.teardown(() => harness.close())
  return harness
}

/** The proxy as a service, until the test ends. */
export function serve(t: Test, config: string, environment: Record<string, string> = {}) {
  const { child, output } = startProgram(t, ['--config', config], environment)
  const lines = () =>
    output()
      .split('\n')
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []))
  return { child, lines, count: (message: string) => lines().filter(({ msg }) => msg === message).length }
}

/** Sends a new study through Orthanc's server, and looks whether Google has it. */
export async function sends(t: Test, rest: OrthancRest, harness: Harness, seed: number): Promise<void> {
  const instances = [...syntheticStudy({ seed, instances: 2 })]
  const stored = await Promise.all(instances.map(({ bytes }) => rest.upload(bytes)))
  const job = await rest.stow('my-google', [stored[0]?.ParentStudy ?? ''])
  t.match(job, { state: 'Success' }, 'Orthanc sends through the registered server')
  const stow = harness.emulator.log.filter(
    ({ method, target }) => method === 'POST' && target.endsWith('/dicomWeb/studies'),
  )
  t.match(stow.at(-1), { status: 200, complete: true, headers: { 'transfer-encoding': 'chunked' } })
  const study = instances[0]?.studyInstanceUid ?? ''
  t.equal((await rest.qido('my-google', '/studies', { StudyInstanceUID: study })).length, 1)
}
