import { test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { instancePath, startSession } from './session.ts'

test('DELETE', async (t) => {
  const { store, request, json, emulator, token } = await startSession(t)
  const study = [...syntheticStudy({ series: 2, instances: 2 })]
  const [one, two] = study
  await store(study)
  const studyPath = instancePath(one).split('/series')[0] ?? ''
  const operation = async (name: string) => {
    const response = await fetch(emulator.baseUrl + name, { headers: { authorization: `Bearer ${token}` } })
    return (await response.json()) as { done?: boolean; metadata?: { counter?: { success: string } } }
  }

  t.test('an instance at once', async (t) => {
    const response = await request(instancePath(two), { method: 'DELETE' })
    t.same([response.status, await response.json()], [200, {}])
    t.equal((await json('/instances')).length, 3)
    t.equal((await request(instancePath(two), { method: 'DELETE' })).status, 404)
  })

  t.test('a study by a long-running operation, in which nothing is stored', async (t) => {
    emulator.setOperationDuration(Number.POSITIVE_INFINITY)
    const response = await request(studyPath, { method: 'DELETE' })
    t.equal(response.status, 200)
    const { name } = (await response.json()) as { name: string }
    t.match(name, /^projects\/demo\/locations\/[^/]+\/datasets\/imaging\/operations\/\d+$/)
    t.notOk((await operation(name)).done)
    t.equal((await store(study)).status, 409)
    t.equal((await request(studyPath, { method: 'DELETE' })).status, 409)
    await emulator.finishOperations()
    const state = await operation(name)
    t.ok(state.done)
    t.equal(state.metadata?.counter?.success, '3')
    t.same(await json('/studies'), [])
    t.equal((await store(study)).status, 200, 'afterwards it can be stored again')
  })

  t.test('a series, by itself after a while', async (t) => {
    emulator.setOperationDuration(5)
    const response = await request(instancePath(one).split('/instances')[0] ?? '', { method: 'DELETE' })
    const { name } = (await response.json()) as { name: string }
    await eventually('the operation is done', async () => (await operation(name)).done === true)
    t.equal((await json('/instances')).length, 2)
  })

  t.test('operations that fail: as a whole, or for some instances', async (t) => {
    emulator.setOperationDuration(Number.POSITIVE_INFINITY)
    await store(study)
    const outcomes = [
      [{ error: { code: 9, message: 'held' } }, { done: true, error: { code: 9, message: 'held' } }, 4],
      [{ failures: 3 }, { done: true, metadata: { counter: { success: '1', failure: '3' } } }, 3],
      [{}, { done: true, metadata: { counter: { success: '3', failure: undefined } } }, 0],
    ] as const
    for (const [failure, outcome, left] of outcomes) {
      emulator.failOperations(failure)
      const { name } = (await (await request(studyPath, { method: 'DELETE' })).json()) as { name: string }
      await emulator.finishOperations()
      t.match(await operation(name), outcome)
      t.equal((await json('/instances')).length, left)
    }
  })

  t.test('an operation that does not exist, and paths that cannot be deleted', async (t) => {
    t.match(await operation('projects/demo/locations/x/datasets/y/operations/1'), { error: { code: 404 } })
    t.equal((await request('/studies', { method: 'DELETE' })).status, 404)
    t.equal((await request(`${studyPath}/metadata`, { method: 'DELETE' })).status, 404)
  })
})
