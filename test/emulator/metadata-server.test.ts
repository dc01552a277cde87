import { Compute } from 'google-auth-library'
import { test } from 'tap'
import { startSession } from './session.ts'

const flavor = { 'metadata-flavor': 'Google' }

test('metadata server', async (t) => {
  const { emulator } = await startSession(t)
  const get = (path: string, headers: Record<string, string> = flavor) =>
    fetch(`http://${emulator.metadataHost}${path}`, { headers })
  const accessToken = async () => {
    const response = await get('/computeMetadata/v1/instance/service-accounts/default/token')
    return ((await response.json()) as { access_token: string }).access_token
  }
  // The only way in for the library's client; this process runs no other test file.
  process.env.GCE_METADATA_HOST = emulator.metadataHost

  t.test("google-auth-library's Compute client gets a token that a store accepts", async (t) => {
    const client = new Compute({ scopes: ['https://www.googleapis.com/auth/cloud-healthcare'] })
    const { token } = await client.getAccessToken()
    const headers = { authorization: `Bearer ${token}` }
    t.equal((await fetch(`${emulator.dicomWebUrl()}/studies`, { headers })).status, 204)
  })

  t.test('what is asked to find out whether it is there', async (t) => {
    for (const path of ['/', '/computeMetadata/v1/instance']) {
      const response = await get(path)
      t.same([response.status, response.headers.get('metadata-flavor')], [200, 'Google'], path)
    }
    t.equal(await (await get('/computeMetadata/v1/project/project-id')).text(), 'demo')
    const email = await get('/computeMetadata/v1/instance/service-accounts/default/email')
    t.equal(await email.text(), emulator.metadataEmail)
    t.equal((await get('/computeMetadata/v1/instance/service-accounts/other/token')).status, 404)
  })

  t.test('refuses what could be a forged server-side request', async (t) => {
    const path = '/computeMetadata/v1/instance/service-accounts/default/token'
    t.equal((await get(path, {})).status, 403)
    t.equal((await get(path, { ...flavor, 'x-forwarded-for': '10.0.0.1' })).status, 403)
  })

  t.test('hands out the same token until five minutes before its end', async (t) => {
    const first = await accessToken()
    t.equal(await accessToken(), first)
    emulator.setTokenLifetime(299)
    emulator.expireTokens()
    const second = await accessToken()
    t.not(second, first)
    t.not(await accessToken(), second)
  })
})
