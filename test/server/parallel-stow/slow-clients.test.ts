import t from 'tap'
import { overFaultyLines } from './faulty-lines.ts'

// What they do most is wait.
t.jobs = 2

const seed = Date.now() % 2_000
const some = { seed, instances: 3, faults: 0.2, maxPauseMs: 700, retrySeconds: 2 }

t.test('what a client is told to be stored is there byte for byte, over lines that fail at any byte', async (t) => {
  const { counts, wrong } = await overFaultyLines(t, { ...some, isHttp2: false, uploads: 24, concurrent: 24 })
  t.same(wrong, [], `seed ${seed}`)
  t.ok((counts.get('200') ?? 0) > 8, 'most succeed')
})

t.test('the same over HTTP/2', async (t) => {
  const { counts, wrong } = await overFaultyLines(t, { ...some, isHttp2: true, uploads: 8, concurrent: 8 })
  t.same(wrong, [], `seed ${seed}`)
  t.ok((counts.get('200') ?? 0) > 2, 'most succeed')
})
