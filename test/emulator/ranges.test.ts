import { test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { partsOf } from './parts-of.ts'
import { instancePath, startSession } from './session.ts'

const octets = 'application/octet-stream'

test('ranges of what comes alone, if they are served', async (t) => {
  const { emulator, store, request } = await startSession(t)
  // More than a block of the file.
  const [instance] = syntheticStudy({ instances: 1, rows: 512, columns: 512 })
  if (!instance) throw new Error('an instance is needed')
  await store([instance])
  const path = instancePath(instance)
  const { bytes } = instance
  const { length } = bytes
  const ask = (range: string, more: Record<string, string> = {}, resource = path) =>
    request(resource, { headers: { accept: 'application/dicom; transfer-syntax=*', range, ...more } })

  const ignored = await ask('bytes=0-9')
  t.same([ignored.status, ignored.headers.get('accept-ranges')], [200, null], 'by default')
  t.equal((await ignored.arrayBuffer()).byteLength, length)

  emulator.behave({ ranges: 'served' })
  for (const [range, first, last] of [
    ['bytes=0-0', 0, 0],
    ['bytes=0-9', 0, 9],
    ['bytes=262000-262300', 262_000, 262_300],
    ['bytes=300000-', 300_000, length - 1],
    [`bytes=10-${length * 2}`, 10, length - 1],
    ['bytes=-7', length - 7, length - 1],
    [`bytes=-${length * 2}`, 0, length - 1],
  ] as const) {
    const response = await ask(range)
    t.same([response.status, response.headers.get('content-range')], [206, `bytes ${first}-${last}/${length}`], range)
    t.equal(response.headers.get('content-length'), String(last - first + 1))
    t.ok(Buffer.from(await response.arrayBuffer()).equals(bytes.subarray(first, last + 1)), range)
  }
  for (const range of [`bytes=${length}-`, 'bytes=-0', 'bytes=999999999-']) {
    const response = await ask(range)
    t.same([response.status, response.headers.get('content-range')], [416, `bytes */${length}`], range)
    await response.text()
  }
  for (const range of ['bytes=0-1,3-4', 'bytes=9-1', 'items=0-1', 'bytes=-', 'bytes=a-b']) {
    const response = await ask(range)
    t.same([response.status, response.headers.get('accept-ranges')], [200, 'bytes'], range)
    await response.arrayBuffer()
  }
  const conditional = await ask('bytes=0-1', { 'if-range': '"x"' })
  t.equal(conditional.status, 200, 'If-Range, which nothing fulfils')
  await conditional.arrayBuffer()

  const bulk = await ask('bytes=2-5', { accept: octets }, `${path}/bulkdata/7FE00010`)
  t.equal(bulk.status, 206)
  t.ok(Buffer.from(await bulk.arrayBuffer()).equals(bytes.subarray(-512 * 512 * 2).subarray(2, 6)))
  const jpeg = await ask('bytes=0-2', { accept: 'image/jpeg' }, `${path}/rendered`)
  t.same([jpeg.status, Buffer.from(await jpeg.arrayBuffer()).toString('hex')], [206, 'ffd8ff'])
  const frames = await ask('bytes=0-2', { accept: '*/*' }, `${path}/frames/1`)
  t.equal(frames.status, 200, 'a multipart response has no known length')
  t.equal((await partsOf(frames))[0]?.length, 512 * 512 * 2)
  const missing = await ask('bytes=0-2', {}, '/studies/1.2')
  t.equal(missing.status, 404)
  await missing.text()
})

test('headers of parts are spelled as clients look for them', async (t) => {
  const { store, request } = await startSession(t)
  const [instance] = syntheticStudy({ instances: 1 })
  if (!instance) throw new Error('an instance is needed')
  await store([instance])
  const headers = { accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' }
  const text = Buffer.from(await (await request(instancePath(instance), { headers })).arrayBuffer()).toString('latin1')
  t.match(
    text,
    /^--\w+\r\nContent-Type: application\/dicom; transfer-syntax=[\d.]+\r\nContent-Location: http[^\r]+\r\n\r\n/,
  )
})
