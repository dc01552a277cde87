import t from 'tap'
import { rawRequest } from '../helpers/raw-request.ts'
import { startServed } from '../helpers/served.ts'

// `?ABCDEF12.ABCDEF12. … =1` stopped the whole proxy for 15 seconds, `/healthz` and SIGTERM
// included: each part has the form of a keyword and of a tag, and the expression for attribute
// paths tried all ways to read them.
t.test('a parameter of parts that fit twice is refused at once', async (t) => {
  const { proxy, emulator } = await startServed(t)
  const path = 'ABCDEF12.'.repeat(24)
  const startedAt = performance.now()
  const response = rawRequest(
    proxy.url,
    `GET /google/studies?${path}=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    { timeout: 60_000 },
  )
  t.equal((await fetch(`${proxy.adminUrl}/healthz`)).status, 200)
  t.match((await response).toString(), /^HTTP\/1\.1 400 .*"code":"query-not-allowed"/s)
  t.ok(performance.now() - startedAt < 5_000, 'no standstill')
  t.notOk(emulator.log.some(({ target }) => target.includes('dicomWeb')))
})

t.test('tags that have the form of a keyword pass as before', async (t) => {
  const { url } = await startServed(t)
  for (const name of ['ABCDEF12', '0040A730.FFFEE000', 'abcdef12', 'PatientName.0040a043.A0B1c2d3', 'A']) {
    t.notMatch(await (await fetch(`${url}studies?${name}=1`)).text(), /query-not-allowed/, name)
  }
  for (const name of ['aBCDEF1', 'ABCDEF12.', '.ABCDEF12', 'patientName', '1234567', '123456789', 'A..B']) {
    t.match(await (await fetch(`${url}studies?${name}=1`)).json(), { code: 'query-not-allowed' }, name)
  }
})
