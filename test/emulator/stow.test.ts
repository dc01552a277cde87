import { randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { test } from 'tap'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { multipart, syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { eventually } from '../helpers/eventually.ts'
import { rawRequest } from '../helpers/raw-request.ts'
import { instancePath, startSession } from './session.ts'

interface StoreResult {
  '00081190'?: { Value: [string] }
  '00081198'?: { Value: FailedItem[] }
  '00081199'?: { Value: { '00081155': { Value: [string] }; '00081190': { Value: [string] } }[] }
}

interface FailedItem {
  '00081155'?: { Value: [string] }
  '00081197': { Value: [number] }
  '00091097': { Value: [string] }
}

const resultOf = async (response: Response) => (await response.json()) as StoreResult
/** Reason and detail of each instance that was not stored. */
const failures = (result: StoreResult) =>
  result['00081198']?.Value.map((item) => [item['00081197'].Value[0], item['00091097'].Value[0]])

async function errorOf(response: Response) {
  return { status: response.status, ...((await response.json()) as { error: unknown }) }
}

/** The same instance with another patient: the UIDs stay, the bytes do not. */
const altered = (bytes: Buffer) => Buffer.from(bytes.toString('latin1').replace('Synthetic^', 'Different^'), 'latin1')

test('instances come back byte for byte, at the URLs that the response names', async (t) => {
  const { store, emulator, token } = await startSession(t)
  const study = [...syntheticStudy({ series: 2, instances: 2 })]
  const response = await store(study)
  t.equal(response.status, 200)
  t.equal(response.headers.get('content-type'), 'application/dicom+json')
  const result = await resultOf(response)
  t.equal(result['00081190']?.Value[0], `${emulator.dicomWebUrl()}/studies/${study[0]?.studyInstanceUid}`)
  t.notOk(result['00081198'])
  const referenced = result['00081199']?.Value ?? []
  t.equal(referenced.length, 4)
  for (const [index, item] of referenced.entries()) {
    t.equal(item['00081155'].Value[0], study[index]?.sopInstanceUid)
    const headers = { authorization: `Bearer ${token}`, accept: 'application/dicom' }
    const file = await fetch(item['00081190'].Value[0], { headers })
    t.ok(Buffer.from(await file.arrayBuffer()).equals(study[index]?.bytes ?? Buffer.alloc(0)))
  }
})

test('other bytes under the same UIDs are refused, the rest of the request is stored', async (t) => {
  const { store, json } = await startSession(t)
  const [one, two] = syntheticStudy({ instances: 2 })
  if (!one || !two) throw new Error('two instances are needed')
  t.equal((await store([one])).status, 200)
  t.equal((await store([one])).status, 200, 'identical bytes are no conflict')
  const response = await store([{ bytes: altered(one.bytes) }, two])
  t.equal(response.status, 409)
  const result = await resultOf(response)
  t.match(failures(result), [[272, /already exists/]])
  t.match(result['00081190']?.Value[0], one.studyInstanceUid)
  t.same(result['00081198']?.Value[0]?.['00081155']?.Value, [one.sopInstanceUid])
  t.same(
    result['00081199']?.Value.map((item) => item['00081155'].Value[0]),
    [two.sopInstanceUid],
  )
  t.equal((await json('/instances')).length, 2)
})

test('identical bytes are refused if they are to be: the conformance statement knows no exception', async (t) => {
  const { store, emulator } = await startSession(t)
  const [one, two] = syntheticStudy({ instances: 2 })
  if (!one || !two) throw new Error('two instances are needed')
  await store([one])
  emulator.behave({ duplicates: 'refused' })
  const response = await store([one])
  t.equal(response.status, 409)
  const result = await resultOf(response)
  t.match(failures(result), [[272, /already exists/]])
  t.match(result['00081190']?.Value[0], one.studyInstanceUid, 'also when nothing was stored')
  t.equal((await store([two])).status, 200)
})

test('what cannot be stored', async (t) => {
  const { store, request, emulator, token } = await startSession(t)
  const [instance] = syntheticStudy({ instances: 1 })
  if (!instance) throw new Error('an instance is needed')

  const mismatch = await store([instance], '/studies/1.2.3')
  t.same([mismatch.status, failures(await resultOf(mismatch))], [409, [[272, 'the instance is not of study 1.2.3']]])
  const noDicom = await store([{ bytes: Buffer.from('no DICOM') }])
  t.match([noDicom.status, failures(await resultOf(noDicom))], [409, [[272, /\w/]]])
  const cut = await store([{ bytes: instance.bytes.subarray(0, -100) }])
  t.match([cut.status, failures(await resultOf(cut))], [409, [[272, /\w/]]])

  const post = (contentType: string, body: string | Buffer, accept = '*/*') =>
    request('/studies', { method: 'POST', headers: { 'content-type': contentType, accept }, body })
  emulator.behave({ longBoundaries: 'refused' })
  const related = 'multipart/related; type="application/dicom"'
  const boundary = 'b'.repeat(70)
  const wrongs: [string, string, RegExp][] = [
    ['text/plain', 'x', /unsupported Content-Type header: text\/plain/],
    [related, 'x', /no boundary/],
    [`${related}; boundary=${boundary}b`, `--${boundary}b--`, /boundary longer than 70/],
    [`${related}; boundary=b`, '--b\r\ncontent-type: text/plain\r\n\r\nx\r\n--b--', /a part: text\/plain/],
    [`${related}; boundary=${boundary}`, `--${boundary}--`, /no DICOM instance/],
  ]
  for (const [contentType, content, message] of wrongs) {
    const { status, error } = await errorOf(await post(contentType, content))
    t.match([status, error], [400, { code: 400, status: 'INVALID_ARGUMENT', message }], contentType)
  }
  for (const accept of ['text/html', 'application/json']) {
    t.equal((await post('application/dicom', instance.bytes, accept)).status, 406, accept)
  }

  const path = new URL(emulator.dicomWebUrl()).pathname
  const body = Buffer.concat([Buffer.from('--b\r\ncontent-type: application/dicom\r\n\r\n'), instance.bytes])
  const head = `POST ${path}/studies HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\nconnection: close\r\ncontent-length: ${body.length}\r\ncontent-type: multipart/related; type=application/dicom; boundary="b"\r\n\r\n`
  const result = await rawRequest(emulator.url, Buffer.concat([Buffer.from(head), body]))
  t.match(result.toString(), /^HTTP\/1.1 400 [\s\S]*closing boundary/)
  t.equal((await request(instancePath(instance))).status, 404, 'nothing of the broken part is stored')
})

test("a boundary as long as Orthanc's is accepted unless it is to be refused", async (t) => {
  const { request, emulator } = await startSession(t)
  const [instance] = syntheticStudy({ instances: 1 })
  const boundary = `${randomUUID()}-${randomUUID()}`
  const { contentType, chunks } = multipart(instance ? [instance] : [], boundary)
  const body = Buffer.concat([...chunks])
  const post = () => request('/studies', { method: 'POST', headers: { 'content-type': contentType }, body })
  t.equal((await post()).status, 200, `${boundary.length} characters`)
  emulator.behave({ longBoundaries: 'refused' })
  t.equal((await post()).status, 400)
})

test('the response is XML unless JSON is asked for', async (t) => {
  const { request } = await startSession(t)
  const [instance] = syntheticStudy({ instances: 1 })
  if (!instance) throw new Error('an instance is needed')
  const post = (bytes: Buffer, accept?: string) => {
    const headers = { 'content-type': 'application/dicom', ...(accept !== undefined && { accept }) }
    return request('/studies', { method: 'POST', headers, body: bytes })
  }
  const xml = 'application/dicom+xml'
  const json = 'application/dicom+json'
  for (const [accept, type] of [
    [undefined, xml],
    ['*/*', xml],
    ['application/*', xml],
    [json, json],
    [`${json}, */*;q=0.5`, json],
  ]) {
    const response = await post(instance.bytes, accept)
    t.same([response.status, response.headers.get('content-type')], [200, type], String(accept))
    t.match(await response.text(), type === xml ? /^<\?xml/ : /^\{/)
  }
  const refused = await post(altered(instance.bytes))
  t.equal(refused.status, 409)
  t.match(
    await refused.text(),
    /RetrieveURL.*FailureReason"><Value number="1">272<.*"00090097" vr="LT" keyword="FailureDetail" privateCreator="GOOGLE"><Value number="1">[^<]*already exists</s,
  )
})

test('other forms of the body and the response', async (t) => {
  const { request, json } = await startSession(t)
  const [one, two] = syntheticStudy({ instances: 2 })
  if (!one || !two) throw new Error('two instances are needed')
  const single = await request('/studies', {
    method: 'POST',
    headers: { 'content-type': 'application/dicom', accept: 'application/dicom+xml' },
    body: one.bytes,
  })
  t.equal(single.headers.get('content-type'), 'application/dicom+xml')
  t.match(await single.text(), `<Value number="1">${one.sopInstanceUid}</Value>`)

  const untidy = Buffer.concat([
    Buffer.from('preamble --b\r\n\r\n--b  \r\nX-Note: 1\r\nContent-Type: application/dicom;x=1\r\n\r\n'),
    two.bytes,
    Buffer.from('\r\n--b--\r\nepilogue\r\n--b'),
  ])
  const headers = { 'content-type': 'Multipart/Related;boundary="b" ; type=application/dicom' }
  const response = await request(`/studies/${two.studyInstanceUid}`, { method: 'POST', headers, body: untidy })
  t.equal(response.status, 200)
  t.equal((await json('/instances')).length, 2)
})

test('a client that breaks off leaves nothing behind', async (t) => {
  const folder = t.testdir()
  const { emulator, token } = await startSession(t, { folder })
  const [instance] = syntheticStudy({ instances: 1 })
  const path = new URL(emulator.dicomWebUrl()).pathname
  const controller = new AbortController()
  const body = new ReadableStream({
    start: (stream) => {
      stream.enqueue(Buffer.from('--b\r\ncontent-type: application/dicom\r\n\r\n'))
      stream.enqueue(instance?.bytes)
    },
  })
  const upload = fetch(`${emulator.url}${path}/studies`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'multipart/related; boundary=b' },
    body,
    duplex: 'half',
    signal: controller.signal,
  })
  const incoming = async () => (await readdir(folder, { recursive: true })).filter((file) => /incoming-/.test(file))
  await eventually('an incoming file', async () => (await incoming()).length === 1)
  controller.abort()
  await t.rejects(upload)
  await eventually('its removal', async () => (await incoming()).length === 0)
  t.equal(emulator.log.at(-1)?.complete, false)
})

test('a folder keeps its instances for the next emulator', async (t) => {
  const folder = t.testdir()
  const [instance] = syntheticStudy({ instances: 1 })
  if (!instance) throw new Error('an instance is needed')
  await t.test('first', async (t) => {
    const { store } = await startSession(t, { folder })
    t.equal((await store([instance])).status, 200)
  })
  const { request } = await startSession(t, { folder })
  const response = await request(instancePath(instance), { headers: { accept: 'application/dicom' } })
  t.ok(Buffer.from(await response.arrayBuffer()).equals(instance.bytes))
})

test('a temporary folder ends with its emulator', async (t) => {
  const emulator = await startEmulator()
  await emulator.close()
  await t.rejects(fetch(emulator.url))
})
