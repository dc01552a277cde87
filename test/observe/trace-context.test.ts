import t from 'tap'
import { traceContextOf, traceHeaders } from '../../src/observe/trace-context.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'
const parent = `00-${traceId}-${spanId}-01`

t.test('what is valid (W3C Trace Context 3.2, 3.3)', async (t) => {
  t.same(traceContextOf({ traceparent: parent }), { traceId, spanId, flags: 1, state: null })
  t.same(
    traceContextOf({ traceparent: parent, tracestate: 'rojo=00f0, congo=t61rcWkgMzE,,a@b=c d' })?.state,
    'rojo=00f0,congo=t61rcWkgMzE,a@b=c d',
  )
  t.match(traceContextOf({ traceparent: `cc-${traceId}-${spanId}-ff-what-is-to-come` }), { traceId, spanId, flags: 1 })
  const context = { traceId, spanId, flags: 0, state: 'a=b' }
  t.same(traceHeaders(context), { traceparent: `00-${traceId}-${spanId}-00`, tracestate: 'a=b' })
})

t.test('what is not', async (t) => {
  const wrong = [
    '',
    '00',
    parent.toUpperCase(),
    `ff-${traceId}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId}-${spanId}-1`,
    `${parent}-more`,
    `${parent}x`,
    `${parent}, ${parent}`,
    ` ${parent}`,
    `${parent}\n`,
    `00-${traceId}-${spanId}`,
  ]
  for (const traceparent of wrong) t.equal(traceContextOf({ traceparent }), null, JSON.stringify(traceparent))
  t.equal(traceContextOf({ tracestate: 'a=b' }), null)
  const states = [
    'a',
    'A=b',
    'a=b=c',
    'a=',
    'a=b\u0001',
    'a=ü',
    ',',
    `a=${'b'.repeat(511)}`,
    Array.from({ length: 33 }, (_, at) => `k${at}=v`).join(','),
  ]
  for (const tracestate of states)
    t.equal(traceContextOf({ traceparent: parent, tracestate })?.state, null, tracestate.slice(0, 20))
})
