import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { InstanceCounts } from '../../../src/observe/request-event.ts'
import type { ReportedInstance } from '../../../src/server/stow-response/instance-counter.ts'
import { observeStowResponse } from '../../../src/server/stow-response/stow-response-reader.ts'
import { countsOf, documentsOf, type Item } from './documents.ts'

const types = { json: 'application/dicom+json', xml: 'application/dicom+xml' }

/** Reads the pieces; null counts are "unknown". */
function read(contentType: string, pieces: readonly Buffer[]) {
  const instances: ReportedInstance[] = []
  let counts: InstanceCounts | null = null
  const reader = observeStowResponse(
    200,
    { 'content-type': contentType },
    {
      onInstance: (instance) => instances.push(instance),
      onCounts: (all) => {
        counts = all
      },
    },
  )
  for (const piece of pieces) reader?.push(piece)
  reader?.end()
  return { instances, counts: counts as InstanceCounts | null, isRead: reader !== null }
}

function cut(text: string, at: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text)
  const cuts = [...new Set(at.map((fraction) => Math.floor(fraction * bytes.length)))].sort((a, b) => a - b)
  return [0, ...cuts].map((from, index) => bytes.subarray(from, cuts[index] ?? bytes.length))
}

const uid = fc.array(fc.nat(999_999), { minLength: 2, maxLength: 6 }).map((parts) => `1.${parts.join('.')}`)
const items = fc.array(
  fc.record({
    uid,
    sequence: fc.constantFrom('00081198' as const, '00081199' as const, '0008119A' as const),
    warning: fc.boolean(),
  }),
  { maxLength: 12 },
)
const cuts = fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { maxLength: 30 })

t.test('every instance is counted once, wherever the chunks are cut', async () => {
  fc.assert(
    fc.property(items, cuts, fc.constantFrom('json' as const, 'xml' as const), (list, at, form) => {
      const { counts, instances } = read(types[form], cut(documentsOf(list)[form], at))
      assert.deepEqual(counts, countsOf(list))
      assert.deepEqual(sorted(instances), sorted(list.map(reported)))
    }),
    { numRuns: 150 },
  )
})

function reported({ uid, sequence, warning }: Item): ReportedInstance {
  const outcome = sequence === '00081199' ? 'stored' : 'failed'
  const warned = outcome === 'stored' && warning === true
  return { outcome, sopInstanceUid: sequence === '0008119A' ? '' : uid, warned }
}

function sorted(list: readonly ReportedInstance[]): string[] {
  return list.map(({ outcome, sopInstanceUid, warned }) => `${outcome} ${sopInstanceUid} ${warned}`).sort()
}

const three: Item[] = [
  { uid: '1.2.3', sequence: '00081199', warning: true },
  { uid: '1.2.4', sequence: '00081199' },
  { uid: '1.2.5', sequence: '00081198' },
]

t.test('byte for byte', async (t) => {
  for (const form of ['json', 'xml'] as const) {
    const bytes = Buffer.from(documentsOf(three)[form])
    const single = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))
    t.same(read(types[form], single).counts, { stored: 2, failed: 1, warned: 1 }, form)
  }
})

t.test('a document that is cut short anywhere is unknown', async (t) => {
  for (const form of ['json', 'xml'] as const) {
    const whole = documentsOf(three)[form].trimEnd()
    const bytes = Buffer.from(whole)
    const known: number[] = []
    for (let length = 0; length < bytes.length; length++) {
      if (read(types[form], [bytes.subarray(0, length)]).counts !== null) known.push(length)
    }
    t.same(known, [], form)
  }
})

t.test('the shapes that a response may have', async (t) => {
  const shapes: [string, string, InstanceCounts | null][] = [
    ['json', '{"00081199":{"vr":"SQ"}}', { stored: 0, failed: 0, warned: 0 }],
    ['json', '{"00081199":{}}', { stored: 0, failed: 0, warned: 0 }],
    ['json', '\ufeff {"00081199":{"vr":"SQ","Value":[{}, {}]}}\n', { stored: 2, failed: 0, warned: 0 }],
    ['json', '{"00081198":{"Value":[{"00081155":{"Value":[null]}}],"vr":"SQ"}}', { stored: 0, failed: 1, warned: 0 }],
    ['json', '{"0008119\\u0039":{"vr":"SQ","Value":[{}]}}', { stored: 1, failed: 0, warned: 0 }],
    ['json', '{"00081199":{"vr":"SQ","Value":["no item"]}}', { stored: 0, failed: 0, warned: 0 }],
    ['json', '{}', null],
    ['json', '[]', null],
    ['json', '"00081199"', null],
    ['json', '', null],
    ['json', '{"error":{"code":409,"message":"x","status":"ABORTED"}}', null],
    ['json', '{"toString":{"Value":[{}]},"__proto__":{"Value":[{}]}}', null],
    [
      'xml',
      '<NativeDicomModel><DicomAttribute tag="00081199" vr="SQ"/></NativeDicomModel>',
      { stored: 0, failed: 0, warned: 0 },
    ],
    [
      'xml',
      '<d:NativeDicomModel xmlns:d="x"><!-- y --><d:DicomAttribute tag="0008119a"><d:Item number="1"/></d:DicomAttribute></d:NativeDicomModel>',
      { stored: 0, failed: 1, warned: 0 },
    ],
    [
      'xml',
      '<NativeDicomModel><DicomAttribute tag="00081199"><Item><DicomAttribute tag="00081196"><Value><![CDATA[1]]></Value></DicomAttribute></Item></DicomAttribute></NativeDicomModel>',
      { stored: 1, failed: 0, warned: 1 },
    ],
    ['xml', '<html><DicomAttribute tag="00081199"/></html>', null],
    ['xml', '<NativeDicomModel/>', null],
    ['xml', '', null],
  ]
  for (const [form, text, counts] of shapes) {
    t.same(read(types[form as 'json'], [Buffer.from(text)]).counts, counts, text)
  }
})

const good = '{"00081199":{"vr":"SQ","Value":[{}]}}'

t.test('what is no such document is unknown, and disturbs nothing', async (t) => {
  const nonsense: [string, string | Buffer][] = [
    ['application/dicom+json', '<!doctype html><p>Oops'],
    ['application/dicom+json', `${good}${good}`],
    ['application/dicom+json', `${good},`],
    ['application/dicom+json', `${good}1`],
    ['application/dicom+json', `${good} tru`],
    ['application/dicom+json', good.replace(':', ' ')],
    ['application/dicom+json', good.replace('}]', ']}')],
    ['application/dicom+json', good.replace('"vr"', 'vr')],
    ['application/dicom+json', good.replace('{}', '{},')],
    ['application/dicom+json', good.replace('{}', '{"a"}')],
    ['application/dicom+json', good.replace('{}', '{1:2}')],
    ['application/dicom+json', '['.repeat(100_000)],
    ['application/dicom+json', '{"a":'.repeat(100_000)],
    ['application/dicom+json', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])],
    ['application/dicom+xml', good],
    ['application/dicom+xml', '<a>'.repeat(100_000)],
    ['application/dicom+xml', '<NativeDicomModel>'.repeat(1000)],
    ['application/dicom+xml', '<!DOCTYPE x [<!ENTITY a "b">]><NativeDicomModel>&a;</NativeDicomModel>'],
  ]
  for (const [type, body] of nonsense) t.equal(read(type, [Buffer.from(body)]).counts, null, String(body).slice(0, 60))
})

t.test('any bytes at all', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(...Object.values(types)), (bytes, type) => {
      read(type, [Buffer.from(bytes)])
    }),
  )
})

t.test('too long an item, or too long a response, is not read to its end', async (t) => {
  const filler = Buffer.alloc(64 * 1024, 'x')
  for (const [form, head] of [
    ['json', '{"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["'],
    ['xml', '<NativeDicomModel><DicomAttribute tag="00081199"><Item><DicomAttribute tag="00081155"><Value>'],
  ] as const) {
    t.equal(read(types[form], [Buffer.from(head), ...Array(5).fill(filler)]).counts, null)
  }
  const item = Buffer.from(`{"00081030":{"vr":"LO","Value":["${'x'.repeat(60_000)}"]}},`)
  const long = [Buffer.from('{"00081199":{"vr":"SQ","Value":['), ...Array(1120).fill(item), Buffer.from('{}]}}')]
  t.equal(read(types.json, long).counts, null)
  t.same(read(types.json, [...long.slice(0, 1000), Buffer.from('{}]}}')]).counts?.stored, 1000)
})

t.test('only readable responses to uploads are read', async (t) => {
  const listener = { onCounts: () => t.fail('nothing to count') }
  const read = (status: number, headers: Record<string, string>) =>
    observeStowResponse(status, headers, listener) !== null
  t.ok(read(202, { 'content-type': 'application/json; charset=utf-8' }))
  t.ok(read(409, { 'content-type': 'Application/DICOM+XML' }))
  t.notOk(read(400, { 'content-type': types.json }))
  t.notOk(read(200, { 'content-type': 'text/html' }))
  t.notOk(read(200, {}))
  t.notOk(read(200, { 'content-type': types.json, 'content-encoding': 'gzip' }))
})
