import { test } from 'tap'
import { overFaultyLines } from './faulty-lines.ts'

test('what a client is told to be stored is there byte for byte, over lines that fail at any byte', async (t) => {
  const seed = Date.now() % 2_000
  const { counts, wrong } = await overFaultyLines(t, {
    seed,
    uploads: 32,
    concurrent: 32,
    instances: 3,
    faults: 0.2,
    maxPauseMs: 1_000,
    retrySeconds: 2,
  })
  t.same(wrong, [], `seed ${seed}`)
  t.ok((counts.get('200') ?? 0) > 10, 'most succeed')
})
