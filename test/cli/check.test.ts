import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { Harness } from '../check/harness.ts'
import { userToken } from '../emulator/session.ts'
import { ended, startProgram } from '../helpers/program.ts'
import { stowOf } from '../helpers/served.ts'

async function harnessOf(t: Test): Promise<Harness> {
  const harness = await Harness.open()
  t.teardown(() => harness.close())
  return harness
}

async function check(t: Test, args: readonly string[], environment: Record<string, string> = {}) {
  const { child } = startProgram(t, ['check', ...args], environment)
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), ended(child)])
  return { stdout, stderr, code: child.exitCode }
}

t.test('all is well: plain lines into a pipe, exit code 0', async (t) => {
  const harness = await harnessOf(t)
  const { stdout, stderr, code } = await check(t, ['--config', await harness.configuration()])
  t.equal(code, 0)
  t.equal(stderr, '')
  t.match(stdout, /^✓ Access token +\d+ ms {2}valid for 60 min$/m)
  t.match(stdout, /^✓ Search +\d+ ms {2}succeeds \(QIDO-RS with limit=1\)/m)
  t.match(stdout, /\nAll \d+ checks passed\. 2 checks skipped: Admin listener, Address of my-google\.\n$/)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  t.notMatch(stdout, /[\x00-\x09\x0b-\x1f]/, 'nothing for a terminal')
  t.same([...new Set(harness.emulator.log.map(({ method }) => method))].sort(), ['GET', 'HEAD', 'POST'])
  t.same(
    harness.emulator.log.filter(
      ({ method, target }) => method === 'POST' && !/token$|testIamPermissions$/.test(target),
    ),
    [],
  )
})

t.test('an identity that may not see the end of deletions gets a note, not a failure', async (t) => {
  const harness = await harnessOf(t)
  const lineOf = async (proxy: Record<string, unknown>) => {
    const { stdout, code } = await check(t, ['--config', await harness.configuration({ proxy })])
    t.equal(code, 0)
    return /^. Deletion status.*$/m.exec(stdout)?.[0]
  }
  t.match(await lineOf({}), /^✓ .* can be monitored$/)
  harness.emulator.faults.add({ target: 'operation', status: 403 })
  t.match(
    await lineOf({}),
    /^✓ .* can NOT be monitored: .*gcloud healthcare datasets add-iam-policy-binding .*datasetViewer$/,
  )
  t.match(await lineOf({ DeletionWait: 0 }), /^– .* DeletionWait is 0$/)
})

t.test('a patient in the store is in none of the output', async (t) => {
  const harness = await harnessOf(t)
  const config = await harness.configuration()
  const instances = [...syntheticStudy({ instances: 2 })]
  const token = await userToken(harness.emulator, harness.credentials)
  const { headers, ...stow } = stowOf(instances)
  const authorization = `Bearer ${token}`
  t.equal(
    (await fetch(`${harness.emulator.dicomWebUrl()}/studies`, { ...stow, headers: { ...headers, authorization } }))
      .status,
    200,
  )
  for (const args of [[], ['--json']]) {
    const { stdout, stderr, code } = await check(t, ['--config', config, ...args])
    t.equal(code, 0)
    t.notMatch(stdout + stderr, /Synthetic|SYN-|2\.25\.|ya29|PRIVATE/)
  }
})

t.test('--json: one document, with code and remedy', async (t) => {
  const harness = await harnessOf(t)
  const { stdout, code } = await check(t, [
    '--json',
    '--config',
    await harness.configuration({ account: { DicomStore: 'nix' } }),
  ])
  t.equal(code, 6)
  t.match(JSON.parse(stdout), {
    ok: false,
    exitCode: 6,
    warnings: [],
    checks: [
      { layer: 'configuration', subject: null, title: 'Configuration', status: 'ok' },
      { layer: 'credential', subject: 'my-google', status: 'ok' },
      { layer: 'proxy', title: 'Admin listener', status: 'skipped' },
      { layer: 'proxy', subject: 'my-google', status: 'skipped' },
      { layer: 'network', status: 'ok', milliseconds: Number },
      { layer: 'clock', status: 'ok' },
      { layer: 'credential', title: 'Access token', status: 'ok' },
      { layer: 'store', status: 'ok' },
      {
        layer: 'store',
        subject: 'my-google',
        status: 'failed',
        code: 'no-store',
        remedy: /gcloud healthcare dicom-stores list/,
      },
      { layer: 'store', status: 'skipped' },
      { layer: 'store', status: 'skipped' },
    ],
  })
})

t.test('--offline makes no connection', async (t) => {
  const harness = await harnessOf(t)
  const { stdout, code } = await check(t, [
    '--offline',
    '--orthanc',
    'http://127.0.0.1:9',
    '-c',
    await harness.configuration(),
  ])
  t.equal(code, 0)
  t.match(stdout, /All 2 checks passed/)
  t.same(harness.emulator.log, [])
  const missing = await harness.configuration({ account: { credential: { ServiceAccountFile: 'missing.json' } } })
  t.equal((await check(t, ['--offline', '-c', missing])).code, 5)
})

t.test('every problem of a configuration is reported', async (t) => {
  const harness = await harnessOf(t)
  const config = await harness.configuration({ account: { Projekt: 'x' }, google: { Timeout: 'x' } })
  const { stdout, code } = await check(t, [], { GCP_DICOMWEB_PROXY_CONFIG: config })
  t.equal(code, 2)
  t.equal(stdout.match(/^✗ Configuration/gm)?.length, 2)
  t.match(stdout, /→ Did you mean Project\?/)
})

t.test('accounts with one credential share a token, and a failure is reported once', async (t) => {
  const harness = await harnessOf(t)
  const account = { Project: 'demo', Location: 'europe-west4', Dataset: 'imaging', DicomStore: 'demo' }
  const { serviceAccountFile: ServiceAccountFile } = harness.credentials
  const Accounts = { one: { ...account, ServiceAccountFile }, two: { ...account, ServiceAccountFile } }
  const config = await harness.configuration({ google: { Accounts } })
  const { stdout, code } = await check(t, ['-c', config])
  t.equal(code, 0)
  t.equal(harness.emulator.tokenRequests.total, 1)
  t.match(stdout, /shared with the account above/)
  harness.emulator.faults.add({ target: 'token', status: 500 })
  const failed = await check(t, ['-c', config])
  t.equal(failed.code, 5)
  t.equal(failed.stdout.match(/✗/g)?.length, 1)
})

t.test('an address of Orthanc with a password in it is refused, and not repeated', async (t) => {
  const harness = await harnessOf(t)
  const { stdout, stderr, code } = await check(t, [
    '-c',
    await harness.configuration(),
    '--orthanc',
    'http://u:secret@h/',
  ])
  t.equal(code, 2)
  t.notMatch(stdout + stderr, /secret/)
})

t.test('warnings of the configuration come at the end', async (t) => {
  const harness = await harnessOf(t)
  const { stdout } = await check(t, ['-c', await harness.configuration({ top: { HttpsVerifyPeers: false } })])
  t.match(stdout, /\nWarning: HttpsVerifyPeers is false/)
})
