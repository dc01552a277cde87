import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { groups } from '../../../src/cli/conformance/statements.ts'
import type { EmulatorOptions } from '../../../src/emulator/emulator.ts'
import { syntheticStudy } from '../../../src/emulator/synthetic-study.ts'
import { Harness } from '../../check/harness.ts'
import { userToken } from '../../emulator/session.ts'
import { makeCertificate } from '../../helpers/certificate.ts'
import { eventually } from '../../helpers/eventually.ts'
import { listenOn } from '../../helpers/listen.ts'
import { ended, startProgram } from '../../helpers/program.ts'
import { stowOf } from '../../helpers/served.ts'
import {
  emptyArray,
  htmlErrors,
  jsonByDefault,
  refusedDuplicates,
  startAltering,
  wildcards,
} from './altering-google.ts'

interface Row {
  readonly id: string
  readonly status: string
  readonly seen: string
}

async function harnessOf(t: Test, options: EmulatorOptions = {}): Promise<Harness> {
  const harness = await Harness.open(options)
  t.teardown(() => harness.close())
  return harness
}

async function run(t: Test, args: readonly string[]) {
  const { child } = startProgram(t, ['conformance', ...args])
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), ended(child)])
  return { stdout, stderr, code: child.exitCode }
}

/** How many studies are in the emulator's store. */
async function studiesIn({ emulator, credentials }: Harness): Promise<number> {
  const authorization = `Bearer ${await userToken(emulator, credentials)}`
  const response = await fetch(`${emulator.dicomWebUrl()}/studies`, { headers: { authorization } })
  return response.status === 204 ? 0 : ((await response.json()) as unknown[]).length
}

/** A study that is not of the run. */
async function storeAnother({ emulator, credentials }: Harness): Promise<void> {
  const { headers, ...stow } = stowOf([...syntheticStudy({ instances: 1 })])
  const authorization = `Bearer ${await userToken(emulator, credentials)}`
  const url = `${emulator.dicomWebUrl()}/studies`
  const { status } = await fetch(url, { ...stow, headers: { ...headers, authorization } })
  if (status !== 200) throw new Error(`The study is not stored: ${status}`)
}

interface StoreKeys {
  readonly Project: string
  readonly Location: string
  readonly Dataset: string
  readonly DicomStore: string
}

function resourceNameOf({ Project, Location, Dataset, DicomStore }: StoreKeys): string {
  return `projects/${Project}/locations/${Location}/datasets/${Dataset}/dicomStores/${DicomStore}`
}

const account = ['--account', 'my-google']

t.test('the emulator is as the product expects Google, in every statement', async (t) => {
  // Names that no other word of a report has.
  const store = { Project: 'clinic-7', Location: 'europe-west9', Dataset: 'radiology-q', DicomStore: 'archive-z' }
  const harness = await harnessOf(t, { stores: [resourceNameOf(store)] })
  const report = join(harness.folder, 'report.json')
  const { stdout, stderr, code } = await run(t, [
    ...account,
    '--yes',
    '--json',
    '--report',
    report,
    '-c',
    await harness.configuration({ account: store }),
  ])
  const result = JSON.parse(stdout)
  const rows: readonly Row[] = result.statements
  t.same(
    rows.filter(({ status }) => status !== 'same').map(({ id, status, seen }) => `${id}: ${status}: ${seen}`),
    [],
  )
  t.equal(rows.length, groups.flatMap(({ statements }) => statements).length)
  t.equal(code, 0)
  t.equal(await studiesIn(harness), 0, 'nothing is left')
  t.ok(stderr.includes(resourceNameOf(store)), 'it says where it writes')
  t.match(stderr, /The store is empty/)
  t.same(result.notRemoved, [])
  t.ok(result.requests < 400, `${result.requests} requests`)

  const given = await readFile(report, 'utf8')
  t.equal(JSON.parse(given).statements.length, rows.length)
  const { port } = new URL(harness.emulator.url)
  // Of the run, the configuration and this machine: none may be in what is given away.
  const identifying = [
    ...Object.values(store),
    'my-google',
    '127.0.0.1',
    port,
    'ya29.',
    'gserviceaccount',
    harness.folder,
    ...(/^ {2}(2\.25\.\d+)$/m.exec(stderr)?.slice(1) ?? ['the run says its UID']),
  ]
  for (const words of identifying) t.notOk(given.includes(words), `the report lacks ${words}`)
  t.notMatch(given, /2\.25\.\d{8}|Conformance[0-9A-F]{6}|Synthetic \d/, 'and UIDs and patients')
})

t.test('what nobody is sure of may be so or so', async (t) => {
  const harness = await harnessOf(t)
  harness.emulator.behave({
    duplicates: 'refused',
    errors: 'array',
    wildcards: 'literal',
    ranges: 'served',
    searchLag: 1,
  })
  const { stdout, code } = await run(t, [...account, '--yes', '--json', '-c', await harness.configuration()])
  const rows: readonly Row[] = JSON.parse(stdout).statements
  t.same(
    rows.filter(({ status }) => status !== 'same').map(({ id, seen }) => `${id}: ${seen}`),
    [],
  )
  t.equal(code, 0)
  const seen = new Map(rows.map((row) => [row.id, row.seen]))
  t.equal(seen.get('duplicate.same-bytes'), '409, 1 failed with reason 272')
  t.equal(seen.get('error.form'), 'an array')
  t.equal(seen.get('value.wildcard-star'), '204, no body')
  t.equal(seen.get('bulkdata.range'), '206')
  t.equal(seen.get('lag.series'), 'within 60 s')
  t.equal(await studiesIn(harness), 0, 'and nothing is left')
})

t.test('differences that are planted are found, each by its statements and by no others', async (t) => {
  const harness = await harnessOf(t)
  const alterations = [emptyArray, jsonByDefault, wildcards, refusedDuplicates(), htmlErrors]
  const BaseUrl = await startAltering(t, harness.emulator.url, alterations)
  const { stdout, code } = await run(t, [
    ...account,
    '--yes',
    '--json',
    '-c',
    await harness.configuration({ google: { BaseUrl } }),
  ])
  const rows: readonly Row[] = JSON.parse(stdout).statements
  t.equal(code, 1)
  const different = new Map(rows.filter(({ status }) => status !== 'same').map(({ id, seen }) => [id, seen]))
  const planted: Readonly<Record<string, readonly (readonly [id: string, seen: string])[]>> = {
    'an empty search is 200 with []': [
      ['empty.studies', '200, []'],
      ['empty.series', '200, []'],
      ['empty.instances', '200, []'],
      ['empty.below-missing-study', '200, []'],
      ['empty.below-missing-series', '200, []'],
      ['empty.json', '200, []'],
      ['value.uid-list-comma', '200, []'],
      ['value.uid-list-backslash', '200, []'],
      ['value.name-part', '200, []'],
      ['value.name-case', '200, []'],
      ['value.id-case', '200, []'],
      ['value.range-outside', '200, []'],
      ['value.two-keys', '200, []'],
      ['value.limit-zero', '200, []'],
      ['value.offset-last', '200, []'],
      ['value.past-end', '200, []'],
    ],
    'STOW-RS responds in JSON by default': [
      ['stow.type-default', '200, application/dicom+json'],
      ['stow.type-any', '200, application/dicom+json'],
    ],
    'wildcards match': [
      ['value.wildcard-star', '200, 1 row'],
      ['value.universal', '200, 1 row'],
    ],
    'identical instances are refused': [['duplicate.same-bytes', '409, 1 failed with reason 273']],
    'errors are HTML': [
      ['error.form', 'text/html'],
      ['error.type', 'text/html'],
      ['error.members', 'without code and message and status'],
      ['error.status', 'none'],
    ],
  }
  for (const [what, expected] of Object.entries(planted)) {
    for (const [id, seen] of expected) t.equal(different.get(id), seen, `${what}: ${id}`)
  }
  const all = Object.values(planted)
    .flat()
    .map(([id]) => id)
  t.same(
    [...different.keys()].filter((id) => !all.includes(id)).map((id) => `${id}: ${different.get(id)}`),
    [],
  )
})

t.test(
  'the table says what was seen, what was expected, and what a difference means; others are left alone',
  async (t) => {
    const harness = await harnessOf(t)
    await storeAnother(harness)
    const BaseUrl = await startAltering(t, harness.emulator.url, [jsonByDefault])
    const config = await harness.configuration({ google: { BaseUrl } })
    const { stdout, stderr } = await run(t, [...account, '--yes', '-c', config])
    t.match(stdout, /^✓ empty\.studies +\d+ ms {2}same: 204, no body – A search for studies .* \(recorded: PYT, /m)
    t.match(
      stdout,
      /^✗ stow\.type-default .*different: 200, application\/dicom\+json\n {4}relied on: .* \(documented: CS\)\n {4}expected: .*xml\n {4}→ Clients/m,
    )
    t.match(stdout, /\n\d+ statements: \d+ same, 2 different; \d+ requests in [\d.]+ s\.\n$/)
    t.match(stderr, /THE STORE HAS STUDIES ALREADY/)
    t.equal(await studiesIn(harness), 1, "the other's study is still there")
  },
)

t.test('bad usage is exit code 2, and sends nothing', async (t) => {
  const harness = await harnessOf(t)
  const config = await harness.configuration()
  for (const [args, words] of [
    [['-c', config, ...account], /no terminal to ask on.*--yes/],
    [['-c', config, '--yes'], /--account/],
    [['-c', config, '--yes', ...account, '--report', config], /exists already; name another file/],
    [['-c', config, '--yes', ...account, '--report', join(harness.folder, 'no', 'r')], /can't be written \(ENOENT\)/],
    [['-c', config, '--yes', '--account', 'other'], /no account other.*my-google/],
  ] as const) {
    const { code, stderr } = await run(t, args)
    t.equal(code, 2)
    t.match(stderr, words)
  }
  const limited = await harness.configuration({ account: { Access: ['QIDO-RS', 'STOW-RS', 'WADO-RS'] } })
  const { code, stderr } = await run(t, ['-c', limited, '--yes', ...account])
  t.equal(code, 2)
  t.match(stderr, /lacks DELETE in its Access/)
  t.same(harness.emulator.log, [])
})

t.test('without a token nothing is tried', async (t) => {
  const harness = await harnessOf(t)
  harness.emulator.faults.add({ target: 'token', status: 500 })
  const { code, stderr, stdout } = await run(t, ['-c', await harness.configuration(), '--yes', ...account])
  t.equal(code, 1)
  t.match(stderr, /There is no access token: .*\nRun "gcp-dicomweb-proxy check" to see more/)
  t.equal(stdout, '')
})

t.test('everything goes through the outgoing proxy, over TLS', async (t) => {
  const certificate = makeCertificate()
  const harness = await harnessOf(t, { tls: certificate })
  const tunnels: string[] = []
  const proxy = createServer().on('connect', ({ url }, client: Socket) => {
    tunnels.push(String(url))
    const { hostname, port } = new URL(`http://${url}`)
    const onward = connect(Number(port), hostname, () => client.write('HTTP/1.1 200 OK\r\n\r\n'))
    client.pipe(onward).pipe(client)
    client.on('error', () => onward.destroy())
    onward.on('error', () => client.destroy())
  })
  const HttpProxy = new URL(await listenOn(t, proxy)).host
  const HttpsCACertificates = await harness.write('authority.pem', certificate.authority)
  const config = await harness.configuration({ top: { HttpProxy, HttpsCACertificates } })
  const { code, stderr, stdout } = await run(t, [...account, '--yes', '--json', '-c', config])
  t.equal(code, 0, stderr)
  t.equal(JSON.parse(stdout).counts.different, 0)
  const { host } = new URL(harness.emulator.url)
  t.ok(tunnels.length > 0 && tunnels.every((tunnel) => tunnel === host))
})

t.test('an interrupted run removes what it stored', async (t) => {
  const harness = await harnessOf(t)
  harness.emulator.faults.add({ target: 'WADO-RS', hang: true })
  const { child, output } = startProgram(t, ['conformance', '-c', await harness.configuration(), '--yes', ...account])
  await eventually('it retrieves', () => retrieves(harness))
  t.ok((await studiesIn(harness)) > 0)
  child.kill('SIGINT')
  t.equal(await ended(child), 130)
  t.match(output(), /Interrupted: removing what was stored/)
  t.match(output(), /not tried: the run was interrupted/)
  t.equal(await studiesIn(harness), 0)
})

t.test('what cannot be removed is named, and is a failure', async (t) => {
  const harness = await harnessOf(t)
  harness.emulator.faults.add({ target: 'DELETE', status: 403 })
  const { code, stderr, stdout } = await run(t, ['-c', await harness.configuration(), '--yes', '--json', ...account])
  t.equal(code, 1)
  const { notRemoved, statements } = JSON.parse(stdout)
  t.equal(notRemoved.length, await studiesIn(harness))
  t.match(stderr, `These studies could not be removed. Delete them in the store:\n  ${notRemoved[0]}\n`)
  const statusOf = (id: string) => (statements as readonly Row[]).find((row) => row.id === id)?.status
  t.equal(statusOf('delete.study'), 'different')
  t.equal(statusOf('operation.study'), 'not tried')
  t.equal(statusOf('lag.studies'), 'not tried')
  // Refused as well, these said "same", as if a deletion had been made.
  for (const id of ['delete.instance-again', 'delete.study-again', 'delete.store-again', 'missing.study-delete'])
    t.equal(statusOf(id), 'not tried', id)
})

t.test('if nothing can be stored, what needs it is not tried', async (t) => {
  const harness = await harnessOf(t)
  harness.emulator.faults.add({ target: 'STOW-RS', status: 403 })
  const { code, stdout } = await run(t, ['-c', await harness.configuration(), '--yes', '--json', ...account])
  t.equal(code, 1)
  const rows: readonly Row[] = JSON.parse(stdout).statements
  const find = (id: string) => rows.find((row) => row.id === id)
  t.match(find('stow.success'), { status: 'different', seen: '403' })
  t.match(find('retrieve.study'), { status: 'not tried', seen: 'what it needs could not be stored' })
  t.match(find('empty.studies'), { status: 'same' })
  t.match(find('missing.study-retrieve'), { status: 'same' })
})

t.test('a statement that gets no response has failed, and the others are tried', async (t) => {
  const harness = await harnessOf(t)
  harness.emulator.faults.add({ target: 'permissions', resetBefore: true })
  const { code, stdout } = await run(t, ['-c', await harness.configuration(), '--yes', '--json', ...account])
  t.equal(code, 1)
  const rows: readonly Row[] = JSON.parse(stdout).statements
  t.match(rows[0], { id: 'resource.permissions', status: 'failed', seen: /the connection was closed/ })
  t.match(rows[1], { id: 'resource.store', status: 'same' })
})

function retrieves({ emulator }: Harness): boolean {
  return emulator.log.some(({ target }) => /\/instances\/[\d.]+$/.test(target))
}
