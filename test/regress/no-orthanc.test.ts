import { createServer } from 'node:http'
import { test } from 'tap'
import { OrthancRest } from '../../src/orthanc/orthanc-rest.ts'
import { listenOn } from '../helpers/listen.ts'

// `register` took everything that returned JSON for an Orthanc ("Orthanc undefined"), and sent it a
// password; of a redirect or a 404 it said "Look into Orthanc's own log", and of `null` "please
// report it".

type Canned = readonly [status: number, body: string]

for (const [what, system, servers, code] of [
  ['JSON of something else', [200, '{}'], [200, '{}'], 'not-orthanc'],
  ['a list', [200, '[]'], [200, '{}'], 'not-orthanc'],
  ['null', [200, 'null'], [200, '{}'], 'not-orthanc'],
  ['a web server', [404, '<html>'], [404, ''], 'not-orthanc'],
  ['a login page', [302, ''], [302, ''], 'not-orthanc'],
  ['a failing Orthanc', [500, ''], [500, ''], 'orthanc-refuses'],
  ['an Orthanc with a login', [401, ''], [401, ''], 'orthanc-login'],
  ['an Orthanc without the plugin', [200, '{"Version":"1.12.1"}'], [404, '{}'], 'no-dicomweb'],
  ['an old plugin', [200, '{"Version":"1.5.0"}'], [200, '["a"]'], 'plugin-old'],
] as const satisfies readonly (readonly [string, Canned, Canned, string])[]) {
  test(`${what} is reported as that`, async (t) => {
    const url = await listenOn(
      t,
      createServer(({ url }, response) => {
        const [status, body] = url === '/system' ? system : servers
        response.writeHead(status).end(body)
      }),
    )
    const rest = new OrthancRest(url)
    t.teardown(() => rest.close())
    const error = await rest
      .system()
      .then(() => rest.serverEntries())
      .catch((error) => error)
    t.equal(error.code, code)
    t.notMatch(error.remedy, code === 'orthanc-refuses' ? /HttpPort/ : /own log/)
  })
}
