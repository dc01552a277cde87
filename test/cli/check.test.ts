import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { Stage } from '../check/harness.ts'
import { userToken } from '../emulator/session.ts'
import { ended, startProgram } from '../helpers/program.ts'
import { stowOf } from '../helpers/served.ts'

async function stageOf(t: Test): Promise<Stage> {
  const stage = await Stage.open()
  t.teardown(() => stage.close())
  return stage
}

async function check(t: Test, args: readonly string[], environment: Record<string, string> = {}) {
  const { child } = startProgram(t, ['check', ...args], environment)
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), ended(child)])
  return { stdout, stderr, code: child.exitCode }
}

t.test('all is well: plain lines into a pipe, exit code 0', async (t) => {
  const stage = await stageOf(t)
  const { stdout, stderr, code } = await check(t, ['--config', await stage.configuration()])
  t.equal(code, 0)
  t.equal(stderr, '')
  t.match(stdout, /^✓ Access token +\d+ ms {2}valid for 60 min$/m)
  t.match(stdout, /^✓ Search +\d+ ms {2}succeeds \(QIDO-RS with limit=1\)/m)
  t.match(stdout, /\nAll \d+ checks passed\.\n$/)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  t.notMatch(stdout, /[\x00-\x09\x0b-\x1f]/, 'nothing for a terminal')
  t.same([...new Set(stage.emulator.log.map(({ method }) => method))].sort(), ['GET', 'HEAD', 'POST'])
  t.same(
    stage.emulator.log.filter(({ method, target }) => method === 'POST' && !/token$|testIamPermissions$/.test(target)),
    [],
  )
})

t.test('who may not see the ends of deletions is told so, and that is no failure', async (t) => {
  const stage = await stageOf(t)
  const lineOf = async (proxy: Record<string, unknown>) => {
    const { stdout, code } = await check(t, ['--config', await stage.configuration({ proxy })])
    t.equal(code, 0)
    return /^. Deletion status.*$/m.exec(stdout)?.[0]
  }
  t.match(await lineOf({}), /^✓ .* can be monitored$/)
  stage.emulator.faults.add({ target: 'operation', status: 403 })
  t.match(
    await lineOf({}),
    /^✓ .* can NOT be monitored: .*gcloud healthcare datasets add-iam-policy-binding .*datasetViewer$/,
  )
  t.match(await lineOf({ DeletionWait: 0 }), /^– .* DeletionWait is 0$/)
})

t.test('a patient in the store is in none of the output', async (t) => {
  const stage = await stageOf(t)
  const config = await stage.configuration()
  const instances = [...syntheticStudy({ instances: 2 })]
  const token = await userToken(stage.emulator, stage.credentials)
  const { headers, ...stow } = stowOf(instances)
  const authorization = `Bearer ${token}`
  t.equal(
    (await fetch(`${stage.emulator.dicomWebUrl()}/studies`, { ...stow, headers: { ...headers, authorization } }))
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
  const stage = await stageOf(t)
  const { stdout, code } = await check(t, [
    '--json',
    '--config',
    await stage.configuration({ account: { DicomStore: 'nix' } }),
  ])
  t.equal(code, 6)
  t.match(JSON.parse(stdout), {
    ok: false,
    exitCode: 6,
    warnings: [],
    checks: [
      { layer: 'configuration', subject: null, title: 'Configuration', status: 'ok' },
      { layer: 'credential', subject: 'my-google', status: 'ok' },
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
  const stage = await stageOf(t)
  const { stdout, code } = await check(t, [
    '--offline',
    '--orthanc',
    'http://127.0.0.1:9',
    '-c',
    await stage.configuration(),
  ])
  t.equal(code, 0)
  t.match(stdout, /All 2 checks passed/)
  t.same(stage.emulator.log, [])
  const missing = await stage.configuration({ account: { credential: { ServiceAccountFile: 'missing.json' } } })
  t.equal((await check(t, ['--offline', '-c', missing])).code, 5)
})

t.test('every problem of a configuration is told', async (t) => {
  const stage = await stageOf(t)
  const config = await stage.configuration({ account: { Projekt: 'x' }, google: { Timeout: 'x' } })
  const { stdout, code } = await check(t, [], { GCP_DICOMWEB_PROXY_CONFIG: config })
  t.equal(code, 2)
  t.equal(stdout.match(/^✗ Configuration/gm)?.length, 2)
  t.match(stdout, /→ Did you mean Project\?/)
})

t.test('accounts with one credential share a token, and what fails is told once', async (t) => {
  const stage = await stageOf(t)
  const account = { Project: 'demo', Location: 'europe-west4', Dataset: 'imaging', DicomStore: 'demo' }
  const { serviceAccountFile: ServiceAccountFile } = stage.credentials
  const Accounts = { one: { ...account, ServiceAccountFile }, two: { ...account, ServiceAccountFile } }
  const config = await stage.configuration({ google: { Accounts } })
  const { stdout, code } = await check(t, ['-c', config])
  t.equal(code, 0)
  t.equal(stage.emulator.tokenRequests.total, 1)
  t.match(stdout, /shared with the account above/)
  stage.emulator.faults.add({ target: 'token', status: 500 })
  const failed = await check(t, ['-c', config])
  t.equal(failed.code, 5)
  t.equal(failed.stdout.match(/✗/g)?.length, 1)
})

t.test('an address of Orthanc with a password in it is refused, and not repeated', async (t) => {
  const stage = await stageOf(t)
  const { stdout, stderr, code } = await check(t, [
    '-c',
    await stage.configuration(),
    '--orthanc',
    'http://u:secret@h/',
  ])
  t.equal(code, 2)
  t.notMatch(stdout + stderr, /secret/)
})

t.test('warnings of the configuration come at the end', async (t) => {
  const stage = await stageOf(t)
  const { stdout } = await check(t, ['-c', await stage.configuration({ top: { HttpsVerifyPeers: false } })])
  t.match(stdout, /\nWarning: HttpsVerifyPeers is false/)
})
