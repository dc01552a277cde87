import { createHook } from 'node:async_hooks'
import t from 'tap'
import { startServed } from '../helpers/served.ts'

// Each proxy of a process watched the event loop and the garbage collections of the process for
// itself, and went on when it had closed: 1,200 proxies one after the other (test/faults) kept
// their metrics, and took twice the time and 1.6 GB.
t.test('all proxies of a process watch its event loop once, and each shows what it is', async (t) => {
  let watches = 0
  createHook({
    init(_id, type) {
      if (type === 'ELDHISTOGRAM') watches++
    },
  }).enable()
  for (let count = 0; count < 3; count++) {
    const { proxy } = await startServed(t)
    const metrics = await (await fetch(`${proxy.adminUrl}/metrics`)).text()
    for (const name of [
      'nodejs_eventloop_lag_p99_seconds',
      'process_resident_memory_bytes',
      'nodejs_gc_duration_seconds',
    ]) {
      t.equal(metrics.split(`# TYPE ${name} `).length, 2, `${name}, once`)
    }
    await proxy.close()
  }
  t.equal(watches, 1)
})
