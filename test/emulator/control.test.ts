import { test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { startSession } from './session.ts'

test('the knobs over HTTP', async (t) => {
  const { emulator, request } = await startSession(t)
  const control = async (method: string, path: string, body?: unknown) => {
    const init = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await fetch(`${emulator.url}/emulator/${path}`, { method, ...init })
    return { status: response.status, body: await response.json() }
  }

  t.test('faults', async (t) => {
    await control('PUT', 'faults', [{ target: 'QIDO-RS', status: 503, times: 1 }])
    t.match(await control('GET', 'faults'), { body: [{ target: 'QIDO-RS', status: 503, times: 1 }] })
    t.equal((await request('/studies')).status, 503)
    t.same((await control('GET', 'faults')).body, [])
    await control('PUT', 'faults', { target: 'QIDO-RS', status: 500 })
    await control('DELETE', 'faults')
    t.equal((await request('/studies')).status, 204)
    t.equal((await control('PUT', 'faults', { status: 500 })).status, 400)
    t.equal((await control('PUT', 'other')).status, 404)
  })

  t.test('log and counters', async (t) => {
    await control('DELETE', 'log')
    await request('/studies?limit=7', { headers: { 'x-note': 'seen' } })
    const { body } = await control('GET', 'log')
    t.match(body, {
      requests: [{ method: 'GET', target: /\?limit=7$/, headers: { 'x-note': 'seen' }, status: 204, complete: true }],
      tokenRequests: { total: 1, refresh_token: 1 },
    })
    t.equal((body as { requests: [] }).requests.length, 1)
  })

  t.test('behavior', async (t) => {
    const usual = (await control('GET', 'behavior')).body
    t.match(usual, { duplicates: 'accepted' })
    t.match((await control('PUT', 'behavior', { duplicates: 'refused' })).body, { duplicates: 'refused' })
    for (const wrong of [{ duplicates: 'x' }, { other: 1 }]) {
      t.equal((await control('PUT', 'behavior', wrong)).status, 400)
    }
    t.match((await control('GET', 'behavior')).body, { duplicates: 'refused' })
    t.same((await control('DELETE', 'behavior')).body, usual)
  })

  t.test('how operations end', async (t) => {
    const { emulator, request, store, token } = await startSession(t)
    const [instance] = syntheticStudy({ instances: 1 })
    const change = async (method: string, body?: object) => {
      const init = body ? { method, body: JSON.stringify(body) } : { method }
      return (await fetch(`${emulator.url}/emulator/operations/failure`, init)).status
    }
    const outcome = async () => {
      await store(instance ? [instance] : [])
      const response = await request(`/studies/${instance?.studyInstanceUid}`, { method: 'DELETE' })
      const { name } = (await response.json()) as { name: string }
      await emulator.finishOperations()
      return (await fetch(emulator.baseUrl + name, { headers: { authorization: `Bearer ${token}` } })).json()
    }
    const error = { code: 7, message: 'no' }
    t.equal(await change('PUT', { error }), 200)
    t.match(await outcome(), { done: true, error })
    t.equal(await change('PUT', { failures: 1 }), 200)
    t.match(await outcome(), { metadata: { counter: { success: '0', failure: '1' } } })
    for (const wrong of [{}, { failures: 0 }, { failures: '1' }, { error: { code: 7 } }, { error: 'no' }]) {
      t.equal(await change('PUT', wrong), 400)
    }
    t.equal(await change('DELETE'), 200)
    t.match(await outcome(), { metadata: { counter: { success: '1' } }, error: undefined })
  })

  t.test('tokens', async (t) => {
    await control('PUT', 'operations/duration', { seconds: 2 })
    await control('PUT', 'tokens/lifetime', { seconds: 5 })
    t.equal((await control('PUT', 'tokens/lifetime', { seconds: 'x' })).status, 400)
    await control('POST', 'tokens/revoke')
    t.equal((await request('/studies')).status, 401)
    await control('POST', 'tokens/expire')
  })
})
