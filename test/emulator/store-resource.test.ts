import { test } from 'tap'
import { demoStore } from '../../src/emulator/emulator.ts'
import { startSession } from './session.ts'

const dicomWeb = (name: string) => `healthcare.dicomStores.dicomWeb${name}`
const permissions = ['Read', 'Write', 'Delete'].map(dicomWeb)

test('a store as a resource, and what may be done with it', async (t) => {
  const { emulator, token } = await startSession(t)
  const ask = async (name: string, init: RequestInit = {}, headers: Record<string, string> = {}) => {
    const authorization = `Bearer ${token}`
    const response = await fetch(`${emulator.baseUrl}${name}`, { headers: { authorization, ...headers }, ...init })
    return { status: response.status, body: await response.json() }
  }
  const held = (name: string) =>
    ask(`${name}:testIamPermissions`, { method: 'POST', body: JSON.stringify({ permissions }) })
  const sibling = demoStore.replace(/demo$/, 'other')
  const elsewhere = demoStore.replace('/imaging/', '/elsewhere/')

  t.same(await ask(demoStore), { status: 200, body: { name: demoStore } })
  t.equal((await ask(sibling)).status, 404, 'an identity that may see the dataset learns that there is none')
  t.equal((await ask(elsewhere)).status, 403, 'others are not')
  t.same(await held(demoStore), { status: 200, body: { permissions } })
  t.same(await held(sibling), { status: 200, body: {} })

  emulator.grant('user@example.com', demoStore, 'viewer')
  t.equal((await ask(demoStore)).status, 200)
  t.same((await held(demoStore)).body, { permissions: [dicomWeb('Read')] })
  emulator.grant('user@example.com', demoStore, 'none')
  t.equal((await ask(demoStore)).status, 403)
  t.same((await held(demoStore)).body, {})

  t.equal((await ask(demoStore, {}, { authorization: 'Bearer x' })).status, 401)
  t.equal((await ask(demoStore, {}, { 'x-goog-user-project': 'nobody' })).status, 403)
  t.equal((await ask(demoStore, { method: 'POST' })).status, 404)
  emulator.faults.add({ target: 'store', status: 429 })
  emulator.faults.add({ target: 'permissions', store: demoStore, status: 503 })
  t.equal((await ask(demoStore)).status, 429)
  t.equal((await held(demoStore)).status, 503)
})

test('a clock that is wrong', async (t) => {
  const { emulator, request } = await startSession(t)
  const skewOf = (response: Response) =>
    Math.round((Date.parse(response.headers.get('date') ?? '') - Date.now()) / 1000)
  const put = (seconds: unknown) =>
    fetch(`${emulator.url}/emulator/clock`, { method: 'PUT', body: JSON.stringify({ seconds }) })
  t.ok(Math.abs(skewOf(await request('/studies'))) <= 1)
  emulator.setClockSkew(600)
  t.ok(Math.abs(skewOf(await request('/studies')) - 600) <= 1)
  t.equal((await put(-600)).status, 200)
  t.ok(Math.abs(skewOf(await request('/studies')) + 600) <= 1)
  t.equal((await put('x')).status, 400)
})
