import { execFile, spawn, spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { type SyntheticInstance, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { freePort, type LocalOrthanc } from '../../src/orthanc/local-orthanc.ts'
import { eventually } from '../helpers/eventually.ts'
import { needsOrthanc, startOrthanc } from '../helpers/orthanc.ts'
import { needs } from '../helpers/peer.ts'
import { compileCache, ended, startProgram } from '../helpers/program.ts'
import { stowOf } from '../helpers/served.ts'
import { harnessOf, serve } from './registering.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const run = promisify(execFile)

async function compare(args: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--disable-warning=DEP0060', main, 'compare', ...args], {
    env: { ...compileCache, PATH: process.env.PATH ?? '', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), ended(child)])
  return { stdout, stderr, code: child.exitCode }
}

/** The commands that are printed are run. */
function needsCurl(): { skip?: string } {
  const { skip } = needsOrthanc()
  return skip ? { skip } : needs('curl', spawnSync('curl', ['--version']).status === 0)
}

interface Missing {
  readonly whole: boolean
  readonly count: number
  readonly series?: readonly { series: string; whole: boolean; count: number; instances?: readonly string[] }[]
  readonly commands: readonly string[]
}

interface Line {
  readonly study?: string
  readonly missingAtGoogle?: Missing | null
  readonly missingInOrthanc?: Missing | null
  readonly totals?: Readonly<Record<string, unknown>>
}

function linesOf(stdout: string): Line[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** An Orthanc whose server my-google is the proxy, in front of the emulator. */
async function stageOf(t: Test, options: Parameters<typeof startOrthanc>[1] = {}) {
  const harness = await harnessOf(t)
  const Listen = `127.0.0.1:${await freePort()}`
  const config = await harness.configuration({ proxy: { Listen } })
  const url = `http://${Listen}/my-google/`
  serve(t, config)
  const [orthanc] = await Promise.all([
    startOrthanc(t, { servers: { 'my-google': { Url: url } }, ...options }),
    eventually('the proxy listens', () =>
      fetch(url).then(
        () => true,
        () => false,
      ),
    ),
  ])
  const store = async (instances: readonly SyntheticInstance[]) => {
    if (instances.length > 0) t.equal((await fetch(`${url}studies`, stowOf(instances))).status, 200)
  }
  return {
    harness,
    config,
    orthanc,
    store,
    args: ['--config', config, '--account', 'my-google', '--orthanc', orthanc.url],
  }
}

type Stage = Awaited<ReturnType<typeof stageOf>>

async function upload({ rest }: LocalOrthanc, instances: readonly SyntheticInstance[]): Promise<void> {
  for (const { bytes } of instances) await rest.upload(bytes)
}

/** Runs a command as whoever copies it would, and waits for Orthanc's job. */
async function runCommand({ rest }: LocalOrthanc, command: string, password = ''): Promise<void> {
  const { stdout } = await run('sh', ['-c', command.replace(/(--user \w+)/, `$1:${password}`)])
  const { ID } = JSON.parse(stdout) as { ID: string }
  const job = await rest.job(ID)
  if (job.state !== 'Success') throw new Error(`${command}: ${job.errorDescription}`)
}

const study = (seed: number, options = {}) => [...syntheticStudy({ seed, rows: 8, columns: 8, ...options })]

// They share Orthanc and Google. The first two leave them alike.
t.test('one after another', needsCurl(), async (t) => {
  const stage = await stageOf(t)
  await t.test('everything that was withheld is found, and its commands bring it', (t) => bringsAll(t, stage))
  await t.test('a study that came under two patient IDs is not missing in Orthanc', (t) => twoPatients(t, stage))
  await t.test('--since: by LastUpdate in Orthanc, by study date at Google', (t) => since(t, stage))
  await t.test('a failure is not taken for a difference', (t) => failure(t, stage))
})

async function bringsAll(t: Test, { orthanc, store, args, harness }: Stage): Promise<void> {
  const nothing = await compare(args)
  t.equal(nothing.code, 0)
  t.match(nothing.stdout, /^0 studies in Orthanc: 0 completely at Google\.\nThe same: neither side lacks anything\.\n$/)

  const complete = study(1)
  const partly = study(2, { series: 3, instances: 4 })
  const withheldAtGoogle = [1, 4, 5, 6, 7].map((at) => partly[at] as SyntheticInstance)
  const never = study(3, { series: 2 })
  const onlyAtGoogle = study(4, { series: 2 })
  const atBoth = study(5, { series: 3, instances: 3 })
  const withheldInOrthanc = [2, 3, 4, 5].map((at) => atBoth[at] as SyntheticInstance)
  await upload(orthanc, [
    ...complete,
    ...partly,
    ...never,
    ...atBoth.filter((each) => !withheldInOrthanc.includes(each)),
  ])
  await store([...complete, ...partly.filter((each) => !withheldAtGoogle.includes(each)), ...onlyAtGoogle, ...atBoth])

  const { stdout, stderr, code } = await compare([...args, '--json'])
  t.equal(code, 1)
  t.equal(stderr, '')
  t.notMatch(stdout, /Synthetic|SYN-|ACC-/, 'nothing of a patient')
  const lines = linesOf(stdout)
  const uid = ([first]: readonly SyntheticInstance[]) => first?.studyInstanceUid ?? ''
  const lineOf = (instances: readonly SyntheticInstance[]) => lines.find((line) => line.study === uid(instances))
  t.equal(lineOf(complete), undefined)
  t.same(
    lines.flatMap(({ study }) => study ?? []).sort(),
    [partly, never, onlyAtGoogle, atBoth].map(uid).sort(),
    'each study once',
  )
  t.match(lineOf(partly), {
    orthanc: { series: 3, instances: 12 },
    google: { series: 2, instances: 7 },
    missingInOrthanc: null,
    missingAtGoogle: { whole: false, count: 5 },
  })
  t.same(
    lineOf(partly)?.missingAtGoogle?.series?.toSorted((one, other) => one.count - other.count),
    [
      {
        series: partly[1]?.seriesInstanceUid,
        whole: false,
        count: 1,
        instances: [partly[1]?.sopInstanceUid],
      },
      { series: partly[4]?.seriesInstanceUid, whole: true, count: 4 },
    ],
    'instances by UID where a series is not missing whole',
  )
  t.match(lineOf(never), { missingAtGoogle: { whole: true, count: 6 }, missingInOrthanc: null })
  t.match(lineOf(onlyAtGoogle), {
    orthanc: { series: 0, instances: 0 },
    missingAtGoogle: null,
    missingInOrthanc: { whole: true, count: 6 },
  })
  t.match(lineOf(atBoth), { missingAtGoogle: null, missingInOrthanc: { whole: false, count: 4 } })
  t.same(
    lineOf(atBoth)?.missingInOrthanc?.series?.toSorted((one, other) => one.count - other.count),
    [
      {
        series: atBoth[2]?.seriesInstanceUid,
        whole: false,
        count: 1,
        instances: [atBoth[2]?.sopInstanceUid],
      },
      { series: atBoth[3]?.seriesInstanceUid, whole: true, count: 3 },
    ],
    'the same the other way round',
  )
  t.same(lines.at(-1)?.totals, {
    exitCode: 1,
    same: false,
    since: null,
    compared: 4,
    older: 0,
    missingAtGoogle: { studies: 2, instances: 11 },
    missingInOrthanc: { studies: 2, instances: 10 },
    failed: 0,
    stopped: null,
  })

  const told = await compare(args)
  t.equal(told.code, 1)
  t.match(
    told.stdout,
    /^4 studies in Orthanc: 2 completely at Google\.\nDifferent: Google lacks 11 instances of 2 studies\.\nDifferent: Orthanc lacks 10 instances of 2 studies\.\n$/m,
  )
  t.match(told.stdout, new RegExp(`study ${uid(never).replaceAll('.', '\\.')}: .*Google nothing`))
  t.match(told.stderr, /^Comparing http:\S+ with projects\/demo\/\S+\n$/, 'names no study')
  const commands = [...told.stdout.matchAll(/→ (?:send|retrieve): (.*)/g)].map(([, command]) => command ?? '')
  t.same(
    commands.toSorted(),
    lines
      .flatMap((line) => [line.missingAtGoogle, line.missingInOrthanc].flatMap((each) => each?.commands ?? []))
      .toSorted(),
    'the same in both forms',
  )

  const before = harness.emulator.log.length
  for (const command of commands) await runCommand(orthanc, command)
  const sent = harness.emulator.log.slice(before).filter(({ method }) => method === 'POST')
  t.equal(sent.length, 2, 'a job for each study')
  const after = await compare(args)
  t.match(after.stdout, /^5 studies in Orthanc: 5 completely at Google\.\nThe same: /)
  t.equal(after.code, 0)
}

async function twoPatients(t: Test, { orthanc, store, args }: Stage): Promise<void> {
  // Orthanc makes a study for each patient ID.
  const first = study(10)
  const other = study(10, { series: 2, patientId: 'OTHER' }).slice(first.length)
  t.equal(other[0]?.studyInstanceUid, first[0]?.studyInstanceUid)
  await upload(orthanc, [...first, ...other])
  t.equal((await orthanc.rest.list('studies')).length, 7)
  await store([...first, ...other])
  const { stdout, code } = await compare(args)
  t.match(stdout, /^7 studies in Orthanc: 7 completely at Google\.\nThe same: /)
  t.equal(code, 0)
}

async function since(t: Test, { orthanc, store, args }: Stage): Promise<void> {
  const today = new Date()
  const studyDate = `${today.getFullYear()}${`${today.getMonth() + 1}`.padStart(2, '0')}${`${today.getDate()}`.padStart(2, '0')}`
  const priors = study(21, { studyDate: '20010203' })
  await upload(orthanc, priors)
  await store([...study(22, { studyDate }), ...study(23, { studyDate: '20010203' })])
  const day = `${studyDate.slice(0, 4)}-${studyDate.slice(4, 6)}-${studyDate.slice(6)}`
  const { stdout, code } = await compare([...args, '--json', '--since', day])
  t.equal(code, 1)
  const lines = linesOf(stdout)
  const found = (seed: number) => lines.find((line) => line.study === study(seed)[0]?.studyInstanceUid)
  t.match(found(21), { missingAtGoogle: { whole: true } }, 'an old study that came today')
  t.match(found(22), { missingInOrthanc: { whole: true } })
  t.equal(found(23), undefined, 'Google does not say when a study came')
}

t.test('a login, another name of the server, and none', needsCurl(), async (t) => {
  const configuration = { AuthenticationEnabled: true, RegisteredUsers: { admin: 'secret-password' } }
  const { orthanc, args } = await stageOf(t, { configuration, servers: {} })
  const [url = ''] = [args.at(-1)]
  await upload(orthanc, study(1))
  const password = { GCP_DICOMWEB_PROXY_ORTHANC_PASSWORD: 'secret-password' }

  const rejected = await compare(args)
  t.equal(rejected.code, 1)
  t.match(rejected.stderr, /^Nothing was compared\. Orthanc at \S+ requires a login.*\n→ Log in/m)
  t.equal(rejected.stdout, '')

  const login = [...args, '--user', 'admin']
  const without = await compare(login, password)
  t.equal(without.code, 1)
  t.match(without.stderr, /Orthanc has no DICOMweb server that leads to the account my-google.*register it/)
  t.equal((await compare([...login, '--server', 'nobody'], password)).code, 2)

  const config = args[1] ?? ''
  const { Listen } = JSON.parse(await readFile(config, 'utf8')).DicomWebProxy
  await orthanc.rest.putServer("the archive's", { Url: `http://localhost:${Listen.split(':')[1]}/my-google` })
  const named = await compare(login, password)
  t.equal(named.stderr.match(/no DICOMweb server/), null)
  const command = /→ send: (.*)/.exec(named.stdout)?.[1] ?? ''
  t.match(command, `curl --user admin -X POST '${url}/dicom-web/servers/the%20archive'\\''s/stow' -d `)
  t.notMatch(named.stdout, /secret-password/)
  await runCommand(orthanc, command, 'secret-password')
  t.equal((await compare(login, password)).code, 0)
})

async function failure(t: Test, { orthanc, args, harness }: Stage): Promise<void> {
  for (let seed = 31; seed <= 45; seed++) await upload(orthanc, study(seed, { instances: 1 }))
  harness.emulator.faults.add({ target: 'QIDO-RS', status: 403 })
  const { stdout, code } = await compare(args)
  t.equal(code, 1)
  t.match(stdout, /^– study [\d.]+: not compared\. .*\n {4}→ /)
  t.match(stdout, /^Not complete: 1\d studies could not be compared\.\nNot complete: the comparison ended early\. /m)
  t.notMatch(stdout, /Different|The same/)

  harness.emulator.faults.clear()
  harness.emulator.faults.add({ target: 'QIDO-RS', hang: true })
  const searches = () => harness.emulator.log.filter(({ target }) => target.includes('/instances?')).length
  const before = searches()
  const { child, output } = startProgram(t, ['compare', ...args])
  await eventually('it searches', () => searches() > before)
  child.kill('SIGINT')
  t.equal(await ended(child), 130)
  t.notMatch(output(), /The same|Unexpected/)
}
