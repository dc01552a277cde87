import { test } from 'tap'
import { listen } from '../../src/emulator/listener.ts'

// A request that came while the emulator still made its keys never got a response, and its client
// waited for ever.
test('a request that comes before the emulator is ready waits for it', async (t) => {
  const listener = await listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => listener.close())
  const early = fetch(`http://127.0.0.1:${listener.port}/`, { signal: AbortSignal.timeout(20_000) })
  await fetch(`http://127.0.0.1:${listener.port}/`, { signal: AbortSignal.timeout(500) }).catch(() => undefined)
  listener.serve((_, response) => response.end('here'))
  t.equal(await (await early).text(), 'here')
})
