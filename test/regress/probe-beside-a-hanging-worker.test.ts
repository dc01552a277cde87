import t from 'tap'
import { startServing } from '../cli/several-workers.ts'

/** It was waited for a second, which is what Kubernetes waits for a probe: one hanging worker took the others out of service. */
t.test('a worker that hangs keeps no probe waiting for a second', async (t) => {
  const { admin, pids } = await startServing(t)
  const hanging = pids(1)[0] ?? 0
  process.kill(hanging, 'SIGSTOP')
  t.teardown(() => process.kill(hanging, 'SIGKILL'))
  const { status } = await fetch(`${admin}/readyz`, { signal: AbortSignal.timeout(1_000) })
  t.equal(status, 200)
})
