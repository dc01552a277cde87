import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { startServed, stowOf } from '../helpers/served.ts'

// Node takes more than ten listeners for a leak, and said so on standard error with each upload.
t.test('an upload warns of nothing', async (t) => {
  const warnings: string[] = []
  const listen = ({ name, message }: Error) => {
    // http-proxy's call of util._extend is known.
    if (name !== 'DeprecationWarning') warnings.push(message)
  }
  process.on('warning', listen)
  t.teardown(() => process.off('warning', listen))
  const { url } = await startServed(t)
  const response = await fetch(`${url}studies`, stowOf([...syntheticStudy({ instances: 1 })]))
  t.equal(response.status, 200)
  await response.text()
  await (await fetch(`${url}studies`)).text()
  await setImmediate()
  t.same(warnings, [])
})
