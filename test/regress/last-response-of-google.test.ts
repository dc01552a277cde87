import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { startServed, stowOf } from '../helpers/served.ts'

const study = [...syntheticStudy({ instances: 1, seed: 1 })]

/**
 * What Google had said was lost when a later try failed otherwise, or took far longer than the
 * budget.
 */
t.test('the last response from Google is passed on when later attempts bring none', async (t) => {
  for (const later of [{ resetBefore: true }, { hang: true }]) {
    const { emulator, url } = await startServed(t, { proxy: { Retry: { TotalTimeout: 3 } } })
    emulator.faults.add({ target: 'QIDO-RS', status: 503, headers: { 'retry-after': '1' }, times: 1 })
    emulator.faults.add({ target: 'QIDO-RS', ...later })
    const before = performance.now()
    const response = await fetch(`${url}studies`)
    t.equal(response.status, 503)
    t.match(response.headers.get('proxy-status'), /received-status=503; details="layer=upstream, attempts=[23]"/)
    t.ok(performance.now() - before < 5_000)
  }
})

t.test('but not when an upload may have been stored after it', async (t) => {
  const { emulator, url } = await startServed(t, { proxy: { Retry: { TotalTimeout: 3 } } })
  emulator.faults.add({ target: 'STOW-RS', status: 503, times: 1 })
  emulator.faults.add({ target: 'STOW-RS', lateReset: true })
  const response = await fetch(`${url}studies`, stowOf(study))
  t.match(await response.json(), { status: 502, code: 'upstream-reset' })
})
