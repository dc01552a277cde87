import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'tap'
import { demoStore } from '../../src/emulator/emulator.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { startSession, userToken } from './session.ts'

test('who may do what', async (t) => {
  const { emulator, credentials, request, store } = await startSession(t)
  const study = [...syntheticStudy({ instances: 1 })]
  const unauthenticated = async (headers: Record<string, string>) => {
    const response = await fetch(`${emulator.dicomWebUrl()}/studies?access_token=x`, { headers })
    return [response.status, response.headers.get('www-authenticate')]
  }

  t.test('401 without a good token', async (t) => {
    const challenge = 'Bearer realm="https://accounts.google.com/", error="invalid_token"'
    t.same(await unauthenticated({}), [401, challenge])
    t.same(await unauthenticated({ authorization: 'Bearer wrong' }), [401, challenge])
    t.same(await unauthenticated({ authorization: 'Basic eDp5' }), [401, challenge])
    t.match(emulator.log.at(-1)?.target, /access_token=x$/, 'the log shows what came')
  })

  t.test('403 for a store that does not exist, and without a role; the same text', async (t) => {
    const headers = { authorization: `Bearer ${await userToken(emulator, credentials)}` }
    const denied = async (url: string, method = 'GET') => {
      const response = await fetch(url, { method, headers })
      return [
        response.status,
        ((await response.json()) as { error: { message: string } }).error.message.split(' on ')[0],
      ]
    }
    const other = emulator.dicomWebUrl(demoStore.replace(/demo$/, 'other'))
    const read = 'Permission healthcare.dicomStores.dicomWebRead denied'
    const write = 'Permission healthcare.dicomStores.dicomWebWrite denied'
    t.same(await denied(`${other}/studies`), [403, read])
    emulator.grant(credentials.authorizedUser.email, demoStore, 'none')
    t.same(await denied(`${emulator.dicomWebUrl()}/studies`), [403, read])
    emulator.grant(credentials.authorizedUser.email, demoStore, 'viewer')
    t.same(await denied(`${emulator.dicomWebUrl()}/studies`, 'POST'), [403, write])
    t.same(await denied(`${emulator.dicomWebUrl()}/studies/1.2`, 'DELETE'), [403, write])
    t.equal((await request('/studies')).status, 204)
    emulator.grant(credentials.authorizedUser.email, demoStore, 'editor')
    t.equal((await store(study)).status, 200)
  })

  t.test('the quota project must be one that exists', async (t) => {
    t.equal((await request('/studies', { headers: { 'x-goog-user-project': 'demo' } })).status, 200)
    t.equal((await request('/studies', { headers: { 'x-goog-user-project': 'nobody' } })).status, 403)
  })

  t.test('two stores do not share instances; v1beta1 is the same store', async (t) => {
    const second = demoStore.replace(/demo$/, 'second')
    emulator.addStore(second)
    const headers = { authorization: `Bearer ${await userToken(emulator, credentials)}` }
    const search = async (url: string) => (await fetch(`${url}/studies`, { headers })).status
    t.equal(await search(emulator.dicomWebUrl(second)), 204)
    t.equal(await search(emulator.dicomWebUrl().replace('/v1/', '/v1beta1/')), 200)
  })

  t.test('expired and revoked tokens', async (t) => {
    emulator.expireTokens()
    t.equal((await request('/studies')).status, 401)
    emulator.setTokenLifetime(0)
    const token = await userToken(emulator, credentials)
    t.equal((await unauthenticated({ authorization: `Bearer ${token}` }))[0], 401)
    emulator.setTokenLifetime(100)
    const good = await userToken(emulator, credentials)
    t.equal((await unauthenticated({ authorization: `Bearer ${good}` }))[0], 200)
    emulator.revokeTokens()
    t.equal((await unauthenticated({ authorization: `Bearer ${good}` }))[0], 401)
  })
})

test('a refusal comes while the upload still runs', async (t) => {
  const { emulator } = await startSession(t)
  const upload = httpRequest(`${emulator.dicomWebUrl()}/studies`, {
    method: 'POST',
    headers: { authorization: 'Bearer wrong', 'content-type': 'multipart/related; boundary=b' },
  })
  upload.write(Buffer.alloc(1024 * 1024))
  // Without an end: a response that waited for the body would never come.
  const [response] = await once(upload, 'response')
  t.equal(response.statusCode, 401)
  t.match(await text(response), /UNAUTHENTICATED/)
  upload.on('error', () => undefined)
  upload.destroy()
})

test('a client that asks first is spared the upload', async (t) => {
  const { emulator, token } = await startSession(t)
  const ask = async (authorization: string): Promise<string> => {
    const { hostname, port, pathname } = new URL(emulator.dicomWebUrl())
    const socket = connect(Number(port), hostname)
    t.teardown(() => socket.destroy())
    socket.write(
      `POST ${pathname}/studies HTTP/1.1\r\nhost: localhost\r\nauthorization: ${authorization}\r\nexpect: 100-continue\r\ncontent-type: application/dicom\r\ncontent-length: 5\r\n\r\n`,
    )
    const [response] = await once(socket, 'data')
    return String(response).split('\r\n')[0] ?? ''
  }
  t.equal(await ask('Bearer wrong'), 'HTTP/1.1 401 Unauthorized')
  t.equal(await ask(`Bearer ${token}`), 'HTTP/1.1 100 Continue')
})

test('connections are kept', async (t) => {
  const { emulator, token } = await startSession(t)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const [instance] = syntheticStudy({ instances: 1 })
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/dicom' }
  for (const [method, status, body] of [
    ['GET', 204],
    ['POST', 200, instance?.bytes],
    ['GET', 200],
  ] as const) {
    const sent = httpRequest(`${emulator.dicomWebUrl()}/studies`, { method, headers, agent }).end(body)
    const [response] = await once(sent, 'response')
    t.same([response.statusCode, response.headers.connection], [status, 'keep-alive'])
    await text(response)
  }
  const requests = emulator.log.slice(-3)
  t.equal(new Set(requests.map(({ remotePort }) => remotePort)).size, 1)
  t.same(
    requests.map(({ bodyBytes, complete }) => [bodyBytes, complete]),
    [
      [0, true],
      [instance?.bytes.length, true],
      [0, true],
    ],
  )
})
