import { writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { startFailure } from '../../src/proxy/listen.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { ended, startProgram as start } from '../helpers/program.ts'
import { demoAccount } from '../helpers/served.ts'

/** The address of the first account, as the log tells it. */
function urlOf(output: string): string {
  return /"url":"([^"]+)"/.exec(output)?.[1] ?? ''
}

/** An old plugin's configuration, but for the addresses. */
async function configuration(t: Test, more: object = {}, google: object = {}): Promise<string> {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const folder = t.testdir()
  const { serviceAccountFile } = await emulator.writeCredentials(folder)
  const file = join(folder, 'orthanc.json')
  const GoogleCloudPlatform = {
    BaseUrl: emulator.baseUrl,
    TokenUrl: emulator.tokenUrl,
    Accounts: { google: { ...demoAccount, ServiceAccountFile: serviceAccountFile } },
    ...google,
  }
  const DicomWebProxy = { Listen: '127.0.0.1:0', AdminListen: null, ...more }
  await writeFile(file, `// As Orthanc reads it\n${JSON.stringify({ GoogleCloudPlatform, DicomWebProxy })}`)
  return file
}

t.test('serve: without a command, ends in order on each signal', async (t) => {
  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    await t.test(signal, async (t) => {
      const { child, output } = start(t, ['--config', await configuration(t)])
      await eventually('a token', () => output().includes('access token fetched'))
      t.equal((await fetch(`${urlOf(output())}studies`)).status, 200)
      child.kill(signal)
      t.equal(await ended(child), code)
      t.match(output(), /"msg":"stopped"/)
      t.notMatch(output(), /Warning/)
    })
  }
})

t.test('serve: a second signal does not wait for requests in flight', async (t) => {
  const arrived = Promise.withResolvers<void>()
  const google = await listenOn(
    t,
    createHttpServer(() => arrived.resolve()),
  )
  const { child, output } = start(t, ['-c', await configuration(t, {}, { BaseUrl: google })])
  await eventually('a token', () => output().includes('access token fetched'))
  const asking = fetch(`${urlOf(output())}studies`).catch(() => null)
  await arrived.promise
  child.kill('SIGTERM')
  await eventually('it waits', () => output().includes('shutting down'))
  child.kill('SIGTERM')
  await ended(child)
  t.equal(child.signalCode, 'SIGTERM')
  t.notMatch(output(), /"msg":"stopped"/)
  await asking
})

t.test('serve: requests that outlast the grace are cut, and the exit code says so', async (t) => {
  const arrived = Promise.withResolvers<void>()
  const google = await listenOn(
    t,
    createHttpServer(() => arrived.resolve()),
  )
  const { child, output } = start(t, ['-c', await configuration(t, { ShutdownGrace: 1 }, { BaseUrl: google })])
  await eventually('a token', () => output().includes('access token fetched'))
  const asking = fetch(`${urlOf(output())}studies`).catch(() => null)
  await arrived.promise
  child.kill('SIGTERM')
  t.equal(await ended(child), 1)
  t.match(output(), /"aborted":1,.*ShutdownGrace/)
  t.match(output(), /"abortedBy":"proxy"/)
  await asking
})

t.test('serve: the configuration may be named by the environment', async (t) => {
  const { child, output } = start(t, ['serve'], { GCP_DICOMWEB_PROXY_CONFIG: await configuration(t) })
  await eventually('a token', () => output().includes('access token fetched'))
  child.kill()
  t.equal(await ended(child), 143)

  // The container image sets it.
  const missing = start(t, ['serve'], { GCP_DICOMWEB_PROXY_CONFIG: '/missing' })
  t.equal(await ended(missing.child), 2)
  t.match(
    missing.output(),
    /^The configuration can't be used: \/missing: does not exist.* GCP_DICOMWEB_PROXY_CONFIG names \/missing: .*mount.*\n$/,
  )
})

t.test('bad usage and bad configuration: exit code 2, all problems reported', async (t) => {
  const nothing = start(t, ['serve'])
  t.equal(await ended(nothing.child), 2)
  t.match(nothing.output(), /no DICOM store is configured/)

  const unknown = start(t, ['--bogus'])
  t.equal(await ended(unknown.child), 2)

  const file = await configuration(t, { Lisen: '127.0.0.1:1', Timeouts: { Idle: 'long' } })
  const wrong = start(t, ['-c', file])
  t.equal(await ended(wrong.child), 2)
  t.match(wrong.output(), /DicomWebProxy\.Lisen: .*did you mean Listen/)
  t.match(wrong.output(), /DicomWebProxy\.Timeouts\.Idle: /)
})

t.test('an address that is taken: exit code 2, and one line that says which', async (t) => {
  const taken = new URL(await listenOn(t, createServer())).host
  const { child, output } = start(t, ['-c', await configuration(t), '--listen', taken])
  t.equal(await ended(child), 2)
  const told = output()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('{'))
  t.equal(told.length, 1)
  t.match(told[0], new RegExp(`^Can't listen on ${taken}: another program listens there, perhaps .*change`))
})

t.test('… an address of IPv6 is told as Listen has it', async (t) => {
  const error = Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE', address: '::1', port: 8043 })
  t.match(startFailure(error).message, "Can't listen on [::1]:8043: another program listens there")
})

t.test('HttpsVerifyPeers: false warns at the start', async (t) => {
  const file = join(t.testdir(), 'orthanc.json')
  const GoogleCloudPlatform = { Accounts: { google: { ...demoAccount, ServiceAccountFile: 'missing.json' } } }
  const DicomWebProxy = { Listen: '127.0.0.1:0', AdminListen: null }
  await writeFile(file, JSON.stringify({ HttpsVerifyPeers: false, GoogleCloudPlatform, DicomWebProxy }))
  const { child, output } = start(t, ['-c', file])
  await eventually('the start', () => output().includes('"no access token"'))
  t.match(output(), /"level":"warn".*HttpsVerifyPeers/)
  child.kill()
  await ended(child)
})

t.test('schema, version and help', async (t) => {
  for (const [args, expected] of [
    [['schema'], /"\$schema"/],
    [['--version'], /^\d+\.\d+\.\d+\n$/],
    [['--help'], /Commands:.*serve.*demo.*emulator.*schema/s],
    [['serve', '--help'], /Examples:/],
    [['demo', '--help'], /Example:/],
    [['check', '--help'], /Examples:.*Exit codes:/s],
    [['register', '--help'], /Examples:.*Exit codes:/s],
    [['compare', '--help'], /--since.*Examples:.*Exit codes:/s],
    [['conformance', '--help'], /--account.*Examples:.*Exit codes:/s],
    [['client', '--help'], /Example:/],
    [['health', '--help'], /--ready.*Examples:.*Exit codes:/s],
    [['schema', '--help'], /Example:/],
    [['emulator', '--help'], /--fill.*Examples:/s],
  ] as const) {
    const { child } = start(t, args)
    const [output] = await Promise.all([text(child.stdout), ended(child)])
    t.equal(child.exitCode, 0)
    t.match(output, expected)
  }
})

t.test('emulator: prints how to reach it, and is reached', async (t) => {
  const { child, output } = start(t, ['emulator', '--port', '0'])
  await eventually('it listens', () => output().includes('/emulator/faults'))
  const url = /listens at (\S+)/.exec(output())?.[1]
  t.equal((await fetch(`${url}/emulator/log`)).status, 200)
  child.kill('SIGINT')
  t.equal(await ended(child), 130)
})

t.test('demo --once: the round trip', async (t) => {
  const { child, output } = start(t, ['demo', '--once'])
  t.equal(await ended(child), 0)
  t.equal(output().match(/^✓/gm)?.length, 5)
  t.match(output(), /Every step worked/)
})

t.test('demo: stays up, with a page of another origin that may ask the proxy', async (t) => {
  const { child, output } = start(t, ['demo'])
  await eventually('it invites', () => /images in your browser: +http.*own Orthanc/s.test(output()), 60_000)
  const origin = /in your browser: +(http:\/\/127\.0\.0\.1:\d+)\//.exec(output())?.[1] ?? ''
  const { account } = (await (await fetch(`${origin}/settings.json`)).json()) as { account: string }
  const studies = await fetch(`${account}studies`, { headers: { origin, accept: 'application/dicom+json' } })
  t.equal(studies.headers.get('access-control-allow-origin'), origin)
  t.equal(((await studies.json()) as object[]).length, 12)
  child.kill('SIGINT')
  t.equal(await ended(child), 130)
})
