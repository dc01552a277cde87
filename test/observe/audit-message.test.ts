import { test } from 'tap'
import { auditMessages } from '../../src/observe/audit/audit-message.ts'
import type { AuditRecord, RequestRecord } from '../../src/observe/audit/audit-record.ts'
import { element } from '../../src/observe/audit/xml.ts'

const source = {
  id: 'proxy',
  hostName: 'h',
  processId: '1',
}

const upload: RequestRecord = {
  audit: 'request',
  time: '2026-11-25T00:00:00.000Z',
  requestId: 'r',
  client: 'radiology',
  user: undefined,
  address: '2001:db8::1',
  account: 'a',
  store: 'https://healthcare.example/v1/x/dicomWeb',
  service: 'STOW-RS',
  method: 'POST',
  route: '/studies',
  query: undefined,
  outcome: 'succeeded',
  status: 200,
  code: undefined,
  abortedBy: undefined,
  attempts: 1,
  batches: undefined,
  batchesFailed: undefined,
  instancesStored: undefined,
  instancesFailed: undefined,
  instancesIdentical: undefined,
  identical: undefined,
  stored: undefined,
  failed: undefined,
  omitted: undefined,
  bytesReceived: 0,
  bytesSent: 0,
}

const uids = (count: number) => Array.from({ length: count }, (_, at) => `2.25.${'9'.repeat(58)}${at % 10}`)
const numbers = (messages: readonly string[]) => messages.map((one) => /NumberOfInstances="(\d+)"/.exec(one)?.[1])

test('instances: all are counted, and no message is too long for a repository', async (t) => {
  const messages = auditMessages(
    { ...upload, instancesStored: 1003, stored: uids(1000), instancesFailed: 2, failed: uids(2) },
    source,
  )
  t.same(numbers(messages), ['350', '350', '300', '3', '2'])
  for (const message of messages) t.ok(Buffer.byteLength(message) < 32_768)
  t.match(
    messages[0],
    /UserID="radiology" UserIsRequestor="true" NetworkAccessPointID="2001:db8::1" NetworkAccessPointTypeCode="2"/,
  )
  t.same(
    messages.map((one) => /EventOutcomeIndicator="(\d)"/.exec(one)?.[1]),
    ['0', '0', '0', '0', '4'],
  )
})

test('an upload in batches: what the store had already is told from what is new, and what failed', async (t) => {
  const [first = '', second = '', third = ''] = ['2.25.1', '2.25.2', '2.25.3']
  const messages = auditMessages(
    {
      ...upload,
      outcome: 'incomplete',
      status: 409,
      batches: 3,
      batchesFailed: 1,
      instancesStored: 2,
      stored: [first, second],
      instancesIdentical: 1,
      identical: [second],
      instancesFailed: 1,
      failed: [third],
    },
    source,
  )
  const seen = messages.map((message) => ({
    uids: [...message.matchAll(/<Instance UID="([^"]*)"/g)].map(([, uid]) => uid),
    indicator: /EventOutcomeIndicator="(\d)"/.exec(message)?.[1],
    description: /<EventOutcomeDescription>([^<]*)/.exec(message)?.[1],
  }))
  const whole = 'HTTP status 409, 1 of 3 batches failed'
  t.same(seen, [
    { uids: [first], indicator: '0', description: whole },
    { uids: [second], indicator: '0', description: `${whole}, already stored, with the same bytes` },
    { uids: [third], indicator: '4', description: whole },
  ])
})

test('the person for whom a client asks is a participant beside it', async (t) => {
  const user = 'Müller <m&m>'
  const person = '<ActiveParticipant UserID="Müller &lt;m&amp;m&gt;" UserIsRequestor="true"></ActiveParticipant>'
  for (const record of [
    upload,
    { ...upload, service: 'QIDO-RS', method: 'GET' },
    { ...upload, service: 'WADO-RS', method: 'GET', route: '/studies/{study}' },
    { ...upload, service: 'WADO-RS', method: 'GET', route: '/studies/{study}/metadata' },
    { ...upload, service: 'DELETE', method: 'DELETE', study: '1.2.3' },
    { ...upload, service: undefined, status: 404, code: 'unknown-account' },
  ] as const) {
    const [message = ''] = auditMessages({ ...record, user }, source)
    t.ok(message.includes('UserID="radiology" UserIsRequestor="true"'), message)
    t.ok(message.includes(person.replace('></ActiveParticipant>', '')), message)
    t.notOk(auditMessages(record, source)[0]?.includes('Müller'))
  }
})

test('an upload whose response broke off: what it had named is stored', async (t) => {
  const cut = { ...upload, outcome: 'aborted', status: 200, abortedBy: 'client', stored: uids(2) } as const
  t.same(numbers(auditMessages(cut, source)), ['2'])
  const unknown = auditMessages({ ...cut, stored: undefined }, source)
  t.same(numbers(unknown), [undefined])
  t.match(unknown[0], /EventOutcomeIndicator="4".*<EventOutcomeDescription>aborted by client, HTTP status 200</)
})

test('a client that is not authenticated is an alert; what is no DICOMweb is no event', async (t) => {
  const anonymous = {
    ...upload,
    client: undefined,
    outcome: 'rejected',
    status: 401,
    code: 'client-unauthenticated',
  } as const
  const [alert, ...others] = auditMessages(anonymous, source)
  t.match(alert, /csd-code="110113".*csd-code="110126".*UserID="2001:db8::1"/)
  t.same(others, [])
  t.same(auditMessages({ ...upload, service: undefined, code: 'not-dicomweb' }, source), [])
})

test('a rejected client is an alert, whether by its connection or by too many failed logins', async (t) => {
  const time = upload.time
  const connection = { audit: 'connection', time, address: '192.0.2.1', outcome: 'rejected' } as const
  const kinds = (record: AuditRecord) =>
    auditMessages(record, source).map((one) =>
      [...one.matchAll(/csd-code="(1101\d\d)"/g)].slice(0, 2).map(([, code]) => code),
    )
  const node = ['110113', '110126']
  t.same(kinds({ ...connection, event: 'connection refused', reason: 'not in AllowedNetworks' }), [node])
  t.same(kinds({ ...connection, event: 'no TLS connection', reason: 'UNABLE_TO_GET_ISSUER_CERT' }), [node])
  t.same(kinds({ ...connection, event: 'no TLS connection', reason: 'ECONNRESET' }), [], 'a probe')
  t.same(kinds({ ...connection, event: 'request', code: 'malformed-request', reason: 'HPE_INVALID_METHOD' }), [])
  t.same(kinds({ ...upload, service: undefined, code: 'too-many-failed-logins' }), [node])
  t.same(kinds({ ...upload, service: undefined, code: 'unknown-account' }), [['110113', '110132']])
  const addresses = Object.fromEntries(
    Array.from({ length: 50 }, (_, at) => [`2001:db8:1111:2222:3333:4444:5555:${at}`, 1]),
  )
  const [counted, ...others] = auditMessages(
    { audit: 'rejected', time, since: time, count: 7, reasons: {}, addresses },
    source,
  )
  t.match(counted, /csd-code="110113".*7 more were rejected since 2026-11-25T00:00:00.000Z.*:5555:49/)
  t.ok(Buffer.byteLength(counted ?? '') < 32_768)
  t.same(others, [])
})

const eventOf = (record: RequestRecord) =>
  auditMessages(record, source).map((one) => {
    const [, action, indicator] = /EventActionCode="(.)".*?EventOutcomeIndicator="(\d)"/.exec(one) ?? []
    const [, code] = /<EventID csd-code="(\d+)"/.exec(one) ?? []
    return [code, action, indicator, /<EventOutcomeDescription>([^<]*)/.exec(one)?.[1]]
  })

test('a deletion that goes on is no done one', async (t) => {
  const deletion = { ...upload, service: 'DELETE', method: 'DELETE', route: '/studies/{study}', study: '1.2' } as const
  const pending = { ...deletion, outcome: 'pending', status: 202 } as const
  t.same(eventOf(deletion), [['110105', 'D', '0', undefined]])
  t.same(eventOf(pending), [['110105', 'D', '4', 'accepted, completion not seen, HTTP status 202']])
  t.same(eventOf({ ...pending, route: '/studies/{study}/series/{series}', series: '1.3' }), [
    ['110103', 'D', '4', 'accepted, completion not seen, HTTP status 202'],
  ])
})

test('only what moves instances is a transfer', async (t) => {
  const retrieval = { ...upload, service: 'WADO-RS', method: 'GET', route: '/studies/{study}', study: '1.2' } as const
  t.same(eventOf(retrieval), [['110104', 'R', '0', undefined]])
  t.same(eventOf({ ...retrieval, method: 'HEAD' }), [])
  t.same(eventOf({ ...retrieval, route: '/studies/{study}/metadata' }), [['110103', 'R', '0', undefined]])
})

test('everything that a client sent stays text in the message', async (t) => {
  t.equal(
    element('a', { b: '"<&\u0000\ud800', c: undefined }, element('d', {}, 'e')),
    '<a b="&quot;&lt;&amp;\uFFFD\uFFFD"><d>e</d></a>',
  )
  t.equal(element('a', {}), '<a/>')
})
