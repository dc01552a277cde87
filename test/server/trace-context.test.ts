import t from 'tap'
import { basic, hashOf } from '../helpers/clients.ts'
import { startServed } from '../helpers/served.ts'

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const form = /^00-([0-9a-f]{32})-[0-9a-f]{16}-00$/

t.test('a trace goes through to Google', async (t) => {
  const { emulator, url, log } = await startServed(t)
  const ask = async (headers: Record<string, string>) => {
    await (await fetch(`${url}studies`, { headers })).text()
    const sent = emulator.log.at(-1)?.headers
    const line = log()
      .filter(({ msg }) => msg === 'request')
      .at(-1)
    return { sent, line }
  }
  const passed = await ask({ traceparent, tracestate: 'a=b, c=d' })
  t.match(passed, {
    sent: { traceparent, tracestate: 'a=b,c=d' },
    line: { traceId: '0af7651916cd43dd8448eb211c80319c' },
  })

  for (const headers of [{}, { traceparent: 'invalid', tracestate: 'a=b' }, { tracestate: 'a=b' }]) {
    const { sent, line } = await ask(headers as Record<string, string>)
    t.equal(
      form.exec(String(sent?.traceparent))?.[1],
      String(line?.requestId).replaceAll('-', ''),
      'named by the request',
    )
    t.notOk(sent?.tracestate)
    t.notOk(line?.traceId, 'said once')
  }
})

t.test('an unauthenticated client names no trace', async (t) => {
  const Clients = { radiology: { PasswordHash: hashOf('correct horse'), Accounts: { google: ['QIDO-RS'] } } }
  const { url, log } = await startServed(t, { proxy: { Clients } })
  await (await fetch(`${url}studies`, { headers: { traceparent } })).text()
  await (await fetch(`${url}studies`, { headers: { traceparent, ...basic('radiology', 'correct horse') } })).text()
  t.same(
    log()
      .filter(({ msg }) => msg === 'request')
      .map(({ status, traceId }) => [status, traceId]),
    [
      [401, undefined],
      [204, '0af7651916cd43dd8448eb211c80319c'],
    ],
  )
})
