import t from 'tap'
import { request } from 'undici'
import { type Emulator, startEmulator } from '../../src/emulator/emulator.ts'
import { needsOrthanc, startOrthanc } from '../helpers/orthanc.ts'
import { everyService } from './every-service.ts'

// Without the proxy, as with the Orthanc GCP plugin: the token in the server's entry. It shows that
// the emulator is as good as Google to a real Orthanc, so that what fails in the other files fails
// for the proxy.
t.test('a real Orthanc and the emulator', needsOrthanc(), async (t) => {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const entry = {
    Url: emulator.dicomWebUrl(),
    HasDelete: '1',
    HttpHeaders: { Authorization: `Bearer ${await accessToken(emulator, t.testdir())}` },
  }
  const servers = { chunked: entry, whole: { ...entry, ChunkedTransfers: '0' }, unknown: { Url: entry.Url } }
  const orthanc = await startOrthanc(t, { servers })

  await everyService(t, { orthanc, emulator, chunked: 'chunked', whole: 'whole', proxied: false })
  const uploads = emulator.log.filter(({ method, target }) => method === 'POST' && target.endsWith('/studies'))
  t.match(uploads, [
    { headers: { 'transfer-encoding': 'chunked', 'content-length': undefined }, complete: true, status: 200 },
    { headers: { 'transfer-encoding': undefined, 'content-length': /^\d+$/ }, complete: true, status: 200 },
  ])
  await t.rejects(orthanc.rest.qido('unknown', '/studies'), { message: /Bad credentials/ })
})

async function accessToken(emulator: Emulator, folder: string): Promise<string> {
  const { authorizedUser } = await emulator.writeCredentials(folder)
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: authorizedUser.clientId,
    client_secret: authorizedUser.clientSecret,
    refresh_token: authorizedUser.refreshToken,
  })
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const { body } = await request(emulator.tokenUrl, { method: 'POST', headers, body: form.toString() })
  const response = (await body.json()) as { access_token: string }
  return response.access_token
}
