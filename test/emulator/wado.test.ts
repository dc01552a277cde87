import { inflateSync } from 'node:zlib'
import { test } from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import { partsOf } from './parts-of.ts'
import { instancePath, startSession } from './session.ts'

/** Width and height in the frame header of a baseline JPEG. */
function sizeOfJpeg(bytes: Buffer): [number, number] {
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]))
  return [bytes.readUInt16BE(frame + 7), bytes.readUInt16BE(frame + 5)]
}

const anySyntax = { accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' }

test('WADO-RS', async (t) => {
  const { store, request, json, token } = await startSession(t)
  const study = [...syntheticStudy({ series: 2, instances: 2, rows: 16, columns: 12 })]
  const [first] = study
  await store(study)
  const path = instancePath(first)
  const pixels = first?.bytes.subarray(-16 * 12 * 2) ?? Buffer.alloc(0)

  t.test('study, series and instance', async (t) => {
    const levels = { [path.split('/series')[0] ?? '']: 4, [path.split('/instances')[0] ?? '']: 2, [path]: 1 }
    for (const [level, count] of Object.entries(levels)) {
      const parts = await partsOf(await request(level, { headers: anySyntax }))
      t.equal(parts.length, count)
      t.ok(parts.every((part) => study.some(({ bytes }) => bytes.equals(part))))
    }
  })

  t.test('HEAD has the head only', async (t) => {
    const response = await request(path, { method: 'HEAD', headers: { accept: 'application/dicom' } })
    t.equal(response.headers.get('content-length'), String(first?.bytes.length))
    t.equal(await response.text(), '')
  })

  t.test('metadata, with bulk data at URLs that work', async (t) => {
    const [metadata] = await json(`${path}/metadata`)
    t.match(metadata, { '00280010': { vr: 'US', Value: [16] }, '00080018': { Value: [first?.sopInstanceUid] } })
    t.same(metadata?.['00020010'], { vr: 'UI', Value: ['1.2.840.10008.1.2.1'] }, 'with the file meta information')
    // Far too small to be bulk data otherwise, but pixel data always are.
    const uri = metadata?.['7FE00010']?.BulkDataURI ?? ''
    const headers = { authorization: `Bearer ${token}`, accept: 'application/octet-stream' }
    t.ok(Buffer.from(await (await fetch(uri, { headers })).arrayBuffer()).equals(pixels))
    t.equal((await json(`${path.split('/series')[0]}/metadata`)).length, 4)
    const xml = await request(`${path}/metadata`, {
      headers: { accept: 'multipart/related; type="application/dicom+xml"' },
    })
    t.match((await partsOf(xml)).join(''), /keyword="PixelData"><BulkData uri="http/)
  })

  t.test('rendered is a JPEG, unless a PNG is asked for', async (t) => {
    for (const accept of [undefined, '*/*', 'image/*', 'image/jpeg', 'image/png;q=0.1, image/jpeg']) {
      const response = await request(`${path}/rendered`, accept === undefined ? {} : { headers: { accept } })
      t.equal(response.headers.get('content-type'), 'image/jpeg', String(accept))
      t.same(sizeOfJpeg(Buffer.from(await response.arrayBuffer())), [12, 16])
    }
  })

  t.test('rendered into a viewport, which is the only parameter', async (t) => {
    const size = async (query: string) =>
      sizeOfJpeg(Buffer.from(await (await request(`${path}/rendered?${query}`)).arrayBuffer()))
    t.same(await size('viewport=6,8'), [6, 8])
    t.same(await size('viewport=24,100'), [24, 32], 'it keeps its proportions')
    t.same(await size('viewport=40,40,2,3,4,4'), [40, 40])
    for (const query of [
      'viewport=6',
      'viewport=6,8,1',
      'viewport=6.5,8',
      'viewport=-6,8',
      'viewport=0,8',
      'viewport=a,b',
      'viewport=6,8,,,4,4',
      'window=100,200,linear',
      'quality=50',
      'annotation=patient',
      'iccprofile=no',
    ]) {
      const response = await request(`${path}/rendered?${query}`)
      t.match([response.status, await response.json()], [400, { error: { status: 'INVALID_ARGUMENT' } }], query)
    }
    const [study = '', series = ''] = [path.split('/series')[0], path.split('/instances')[0]]
    for (const above of [study, series]) t.equal((await request(`${above}/rendered`)).status, 404)
  })

  t.test('rendered is a PNG of the right size', async (t) => {
    for (const resource of ['rendered', 'frames/1/rendered']) {
      const response = await request(`${path}/${resource}`, { headers: { accept: 'image/png' } })
      t.equal(response.headers.get('content-type'), 'image/png')
      const png = Buffer.from(await response.arrayBuffer())
      t.same([png.readUInt32BE(16), png.readUInt32BE(20)], [12, 16])
      t.equal(inflateSync(png.subarray(png.indexOf('IDAT') + 4)).length, 16 * (12 + 1))
    }
  })

  t.test('what is not there, and what cannot be given', async (t) => {
    const missing = ['/studies/1.2', `${path}/frames/2`, `${path}/bulkdata/00100010`, `${path}/other`, `${path}/frames`]
    for (const resource of missing) {
      const response = await request(resource)
      t.equal(response.status, 404, resource)
      t.match(await response.json(), { error: { code: 404, status: 'NOT_FOUND' } })
    }
    t.equal((await request(`${path}/frames/0`)).status, 400)
    t.equal((await request(path, { headers: { accept: 'text/html' } })).status, 406)
    t.equal((await request(`${path}/rendered`, { headers: { accept: 'image/gif' } })).status, 406)
  })
})

test('several frames', async (t) => {
  const { store, request } = await startSession(t)
  const [instance] = syntheticStudy({ instances: 1, frames: 3, rows: 8, columns: 8 })
  if (!instance) throw new Error('an instance is needed')
  await store([instance])
  const size = 8 * 8 * 2
  const pixels = instance.bytes.subarray(-3 * size)
  const response = await request(`${instancePath(instance)}/frames/3,1`)
  t.match(response.headers.get('content-type'), /^multipart\/related; type="application\/octet-stream"/)
  t.same(await partsOf(response), [pixels.subarray(2 * size), pixels.subarray(0, size)])

  for (const [accept, type] of [
    ['image/png', 'image/png'],
    ['*/*', 'image/jpeg'],
    ['multipart/related; type="image/jpeg"', 'image/jpeg'],
  ]) {
    const headers = { accept: accept ?? '' }
    const rendered = await request(`${instancePath(instance)}/frames/1,3/rendered?viewport=4,4`, { headers })
    t.match(rendered.headers.get('content-type'), `multipart/related; type="${type}"`)
    t.equal((await partsOf(rendered)).length, 2, String(accept))
  }
})
