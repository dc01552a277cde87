import { createServer } from 'node:http'
import t from 'tap'
import { freePort } from '../../src/orthanc/local-orthanc.ts'
import { hashOf } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { listenOn } from '../helpers/listen.ts'
import { needsOrthanc } from '../helpers/orthanc.ts'
import { ended } from '../helpers/program.ts'
import { lastingOrthanc } from './lasting-orthanc.ts'
import { harnessOf, register, sends, serve } from './registering.ts'

t.test(
  'serve registers, also in an Orthanc that comes later, and again after its restart',
  needsOrthanc(),
  async (t) => {
    const harness = await harnessOf(t)
    const [port, listenPort] = [await freePort(), await freePort()]
    const RegisteredUsers = { proxy: 'orthanc password' }
    const orthanc = lastingOrthanc(t, harness.folder, {
      port,
      configuration: { AuthenticationEnabled: true, RegisteredUsers },
      rest: { username: 'proxy', password: 'orthanc password' },
    })
    // biome-ignore lint/suspicious/noTemplateCurlyInString: replaced by the proxy
    const [Password, ClientPassword] = ['${ORTHANC_PASSWORD}', '${CLIENT_PASSWORD}']
    const Orthanc = { Url: orthanc.url, Username: 'proxy', Password, Client: 'radiology', ClientPassword, Interval: 1 }
    const rights = { 'my-google': ['STOW-RS', 'QIDO-RS', 'DELETE'] }
    const Clients = { radiology: { PasswordHash: hashOf('client password'), Accounts: rights } }
    const config = await harness.configuration({ proxy: { Listen: `127.0.0.1:${listenPort}`, Orthanc, Clients } })
    const proxy = serve(t, config, { ORTHANC_PASSWORD: 'orthanc password', CLIENT_PASSWORD: 'client password' })
    await eventually(
      'it can’t be reached, and that is logged',
      () => proxy.count('registration in Orthanc failed; trying again') === 1,
    )
    const logged = proxy.lines().find(({ msg }) => msg === 'registration in Orthanc failed; trying again')
    t.match(logged, {
      level: 'warn',
      orthanc: orthanc.url,
      problem: /the connection was refused/,
      remedy: /Start Orthanc/,
    })

    await orthanc.start()
    await eventually('it is registered', () => proxy.count('registered in Orthanc') === 1)
    await sends(t, orthanc.rest, harness, 4)
    t.equal(proxy.count('registration in Orthanc failed; trying again'), 1, 'logged once')

    await orthanc.stop()
    await eventually('its end is noticed', () => proxy.count('registration in Orthanc failed; trying again') === 2)
    await orthanc.start()
    await eventually('it is registered again', () => proxy.count('registered in Orthanc') === 2)
    await sends(t, orthanc.rest, harness, 5)

    await orthanc.rest.deleteServer('my-google')
    await eventually('and again, after somebody removed it', () => proxy.count('registered in Orthanc') === 3)
    proxy.child.kill('SIGTERM')
    t.equal(await ended(proxy.child), 143)
    t.notMatch(JSON.stringify(proxy.lines()), /orthanc password|client password/)
  },
)

t.test('serve says what keeps Orthanc out, and serves all the same', async (t) => {
  const harness = await harnessOf(t)
  const port = await freePort()
  const Clients = { radiology: { PasswordHash: hashOf('client password'), Accounts: { 'my-google': ['QIDO-RS'] } } }
  // An Orthanc without any server.
  const empty = {
    Url: await listenOn(
      t,
      createServer((_, response) => response.end('{}')),
    ),
  }
  const away = { Url: `http://${await harness.closedPort()}` }
  for (const [Orthanc, message] of [
    [empty, 'Orthanc is registered without a login; set DicomWebProxy.Orthanc.Client'],
    [
      { ...away, Client: 'radiology', ClientPassword: 'a wrong secret' },
      'Orthanc cannot log in with DicomWebProxy.Orthanc.Client and ClientPassword',
    ],
  ] as const) {
    const config = await harness.configuration({ proxy: { Listen: `127.0.0.1:${port}`, Orthanc, Clients } })
    const proxy = serve(t, config)
    await eventually(message, () => proxy.count(message) === 1)
    t.equal((await fetch(`http://127.0.0.1:${port}/my-google/studies`)).status, 401)
    proxy.child.kill('SIGTERM')
    t.equal(await ended(proxy.child), 143)
    t.notMatch(JSON.stringify(proxy.lines()), /a wrong secret/)
  }
})

t.test('what the plugin keeps over a restart', needsOrthanc(), async (t) => {
  const harness = await harnessOf(t)
  const config = await harness.configuration()
  for (const [ServersInDatabase, kept] of [
    [false, []],
    [true, ['my-google']],
  ] as const) {
    await t.test(`ServersInDatabase: ${ServersInDatabase}`, async (t) => {
      const folder = t.testdir()
      const orthanc = lastingOrthanc(t, folder, {
        port: await freePort(),
        configuration: { DicomWeb: { ServersInDatabase } },
      })
      await orthanc.start()
      t.equal((await register(['-c', config, '--orthanc', orthanc.url])).code, 0)
      t.same(await orthanc.rest.servers(), ['my-google'])
      const before = await orthanc.rest.serverEntries()
      await orthanc.stop()
      await orthanc.start()
      t.same(await orthanc.rest.servers(), kept)
      if (ServersInDatabase) t.same(await orthanc.rest.serverEntries(), before, 'whole')
    })
  }
})
