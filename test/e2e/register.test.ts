import t from 'tap'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { needsOrthanc, startOrthanc } from '../helpers/orthanc.ts'
import { harnessOf, register, sends, serve } from './registering.ts'

t.test('twice: nothing changes the second time', needsOrthanc(), async (t) => {
  const harness = await harnessOf(t)
  const Listen = `127.0.0.1:${await freePort()}`
  const config = await harness.configuration({ proxy: { Listen } })
  const other = { Url: 'http://127.0.0.1:9/other/' }
  const orthanc = await startOrthanc(t, { servers: { other } })
  const to = ['--config', config, '--orthanc', orthanc.url]

  const dry = await register([...to, '--dry-run'])
  t.equal(dry.code, 0)
  t.match(dry.stdout, /add my-google\n {4}Url: \(not set\) -> http:\/\/127\.0\.0\.1:\d+\/my-google\/\n/)
  t.match(dry.stdout, /Nothing was changed/)
  t.same(await orthanc.rest.servers(), ['other'])

  const first = await register(to)
  t.equal(first.code, 0)
  t.match(first.stdout, /^✓ Write my-google/m)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  t.notMatch(first.stdout, /[\x00-\x09\x0b-\x1f]/, 'plain in a pipe')
  const entries = await orthanc.rest.serverEntries()
  t.match(entries['my-google'], {
    Url: `http://${Listen}/my-google/`,
    HasDelete: '1',
    ChunkedTransfers: '1',
    Timeout: 600,
  })
  t.equal(entries.other?.Url, other.Url)

  const second = await register(to)
  t.equal(second.code, 0)
  t.match(
    second.stdout,
    /0 to add, 0 to change, 1 as they should be\n.*keep my-google\n– Search .* the proxy is not running at .*\nNothing had to be changed\.\n$/s,
  )
  t.same(await orthanc.rest.serverEntries(), entries)

  serve(t, config)
  await eventually(
    'the proxy listens',
    async () => (await orthanc.rest.qido('my-google', '/studies').catch(() => null)) !== null,
  )
  await sends(t, orthanc.rest, harness, 1)
})

t.test('what is wrong is put right: an entry of the old plugin', needsOrthanc(), async (t) => {
  const harness = await harnessOf(t)
  const Listen = `127.0.0.1:${await freePort()}`
  const config = await harness.configuration({
    account: { Access: ['STOW-RS', 'QIDO-RS', 'WADO-RS'] },
    proxy: { Listen },
  })
  const orthanc = await startOrthanc(t)
  await orthanc.rest.putServer('my-google', {
    Url: 'https://healthcare.googleapis.com/v1beta1/projects/p/locations/l/datasets/d/dicomStores/s/dicomWeb/',
    HasDelete: '1',
    HttpHeaders: { Authorization: 'Bearer old' },
  })
  const { stdout, code } = await register(['-c', config, '--orthanc', orthanc.url, '--timeout', '1200'])
  t.equal(code, 0)
  t.match(stdout, /HttpHeaders: Authorization -> \(not set\)/)
  t.match((await orthanc.rest.serverEntries())['my-google'], {
    Url: `http://${Listen}/my-google/`,
    HasDelete: '0',
    HttpHeaders: [],
    Timeout: 1200,
  })
  await t.rejects(orthanc.rest.deleteRemote('my-google', { study: '2.25.1' }), 'Orthanc offers no deletion')
})

t.test('what --print says, a real Orthanc takes', needsOrthanc(), async (t) => {
  const harness = await harnessOf(t)
  const Listen = `127.0.0.1:${await freePort()}`
  const Clients = {
    radiology: { PasswordHash: hashOf('client password'), Accounts: { 'my-google': ['STOW-RS', 'QIDO-RS'] } },
  }
  const config = await harness.configuration({ proxy: { Listen, Clients } })
  const { stdout, code } = await register(['-c', config, '--print', '--client', 'radiology'])
  t.equal(code, 0)
  t.notMatch(stdout, /client password/)
  const { DicomWeb } = JSON.parse(stdout)
  process.env.GCP_DICOMWEB_PROXY_CLIENT_PASSWORD = 'client password'
  t.teardown(() => delete process.env.GCP_DICOMWEB_PROXY_CLIENT_PASSWORD)
  const orthanc = await startOrthanc(t, { configuration: { DicomWeb } })
  serve(t, config)
  await eventually(
    'the proxy listens',
    async () => (await orthanc.rest.qido('my-google', '/studies').catch(() => null)) !== null,
  )
  await sends(t, orthanc.rest, harness, 3)
  const checked = await register(['-c', config, '--orthanc', orthanc.url, '--dry-run'])
  t.match(checked.stdout, /keep my-google/, 'its login stays')
  t.notMatch(checked.stdout, /Warning/)
  await orthanc.rest.deleteServer('my-google')
  const bare = await register(['-c', config, '--orthanc', orthanc.url, '--dry-run'])
  t.match(bare.stdout, /Warning: the proxy requires its clients to log in, and there is no login for my-google/)
})

t.test('usage', async (t) => {
  const harness = await harnessOf(t)
  const config = await harness.configuration()
  const nowhere = await register(['-c', config])
  t.equal(nowhere.code, 2)
  t.match(nowhere.stderr, /Name an Orthanc/)
  const closed = `http://${await harness.closedPort()}`
  const away = await register(['-c', config, '--orthanc', closed])
  t.equal(away.code, 7)
  t.match(away.stdout, /✗ .*the connection was refused.*\n +→ Start Orthanc/)
  const remote = await register(['-c', config, '--orthanc', 'http://pacs.invalid:8042'])
  t.equal(remote.code, 2)
  t.match(remote.stderr, /Orthanc is on another machine.*Set --proxy-url URL/)
  const plain = ['-c', config, '--orthanc', 'http://pacs.invalid:8042', '--user', 'u', '--proxy-url', 'http://h']
  const exposed = await register(plain, { input: 'secret\n' })
  t.equal(exposed.code, 7)
  t.match(exposed.stderr, /^Warning: .*passwords can be read on the way/)
  t.notMatch(exposed.stdout + exposed.stderr, /secret/)
  t.equal((await register(['-c', config, '--orthanc', closed, '--timeout', '0'])).code, 2)
  const named = await register(['-c', config, '--print', '--proxy-url', 'http://proxy:8043/'])
  t.match(JSON.parse(named.stdout).DicomWeb.Servers['my-google'], { Url: 'http://proxy:8043/my-google/' })
})
