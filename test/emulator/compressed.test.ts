import { test } from 'tap'
import { encodeDataset } from '../../src/emulator/synthetic-dataset.ts'
import { partsOf } from './parts-of.ts'
import { instancePath, startSession } from './session.ts'

const jpegLossless = '1.2.840.10008.1.2.4.70'

function item(bytes: Buffer): Buffer {
  const head = Buffer.from('feff00e000000000', 'hex')
  head.writeUInt32LE(bytes.length, 4)
  return Buffer.concat([head, bytes])
}

function offsets(...starts: readonly number[]): Buffer {
  return Buffer.concat(starts.map((start) => encodeDataset([[0x00000000, 'UL', start]]).subarray(8)))
}

/** An instance whose pixel data are fragments; what they hold is not looked at by anything here. */
function compressed(number: number, frames: number, table: Buffer, fragments: readonly Buffer[]) {
  const uids = { studyInstanceUid: '2.25.1', seriesInstanceUid: '2.25.2', sopInstanceUid: `2.25.3.${number}` }
  const meta = encodeDataset([[0x00020010, 'UI', jpegLossless]])
  const head = encodeDataset([
    [0x00080016, 'UI', '1.2.840.10008.5.1.4.1.1.7'],
    [0x00080018, 'UI', uids.sopInstanceUid],
    [0x0020000d, 'UI', uids.studyInstanceUid],
    [0x0020000e, 'UI', uids.seriesInstanceUid],
    [0x00280008, 'IS', String(frames)],
  ])
  const pixels = Buffer.from('e07f10004f420000ffffffff', 'hex')
  const end = Buffer.from('feffdde000000000', 'hex')
  const bytes = Buffer.concat([
    Buffer.alloc(128),
    Buffer.from('DICM'),
    meta,
    head,
    pixels,
    ...[table, ...fragments].map(item),
    end,
  ])
  return { ...uids, bytes }
}

test('compressed instances', async (t) => {
  const { store, request, json } = await startSession(t)
  const [a, b, c] = [Buffer.from('aaaa'), Buffer.from('bb'), Buffer.from('cccccc')]
  const withTable = compressed(1, 2, offsets(0, 22), [a, b, c])
  const withoutTable = compressed(2, 3, Buffer.alloc(0), [a, b, c])
  const single = compressed(3, 1, Buffer.alloc(0), [a, b])
  t.equal((await store([withTable, withoutTable, single])).status, 200)

  const asStored = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
  const framesAs = (accept: string) => request(`${instancePath(withTable)}/frames/1`, { headers: { accept } })

  t.test('frames are put together from fragments', async (t) => {
    const frames = async (of: typeof single, list: string) => {
      const response = await request(`${instancePath(of)}/frames/${list}`, { headers: { accept: asStored } })
      return (await partsOf(response)).map(String)
    }
    t.same(await frames(withTable, '1,2'), ['aaaabb', 'cccccc'])
    t.same(await frames(withoutTable, '2,1'), ['bb', 'aaaa'])
    t.same(await frames(single, '1'), ['aaaabb'])
    t.same(
      (await partsOf(await framesAs(`multipart/related; type="image/jpeg"; transfer-syntax=${jpegLossless}`))).map(
        String,
      ),
      ['aaaabb'],
    )
    const bulk = await request(`${instancePath(withTable)}/bulkdata/7FE00010`)
    t.same((await partsOf(bulk)).map(String), ['aaaabb', 'cccccc'])
  })

  t.test('files go out as they are to who takes their transfer syntax', async (t) => {
    const get = (accept: string) => request(instancePath(single), { headers: { accept } })
    t.same(await partsOf(await get('multipart/related; type="application/dicom"; transfer-syntax=*')), [single.bytes])
    const exact = await get(`application/dicom; transfer-syntax=${jpegLossless}`)
    t.ok(Buffer.from(await exact.arrayBuffer()).equals(single.bytes))
    for (const accept of ['multipart/related; type="application/dicom"', '*/*']) {
      t.equal((await get(accept)).status, 406, `${accept}: nothing is decompressed`)
    }
    t.equal((await request(`${instancePath(single)}/rendered`)).status, 406)
  })

  t.test('frames go out as they are stored, or as nothing', async (t) => {
    const types = async (accept: string) => {
      const response = await framesAs(accept)
      return [response.status, response.headers.get('content-type')?.split('; boundary')[0]]
    }
    const jpeg = [200, 'multipart/related; type="image/jpeg"']
    t.same(await types(`multipart/related; type="image/jpeg"; transfer-syntax=${jpegLossless}`), jpeg)
    t.same(await types('multipart/related; type="image/jpeg"; transfer-syntax=*'), jpeg)
    t.same(await types(asStored), [200, 'multipart/related; type="application/octet-stream"'])
    for (const accept of [
      '*/*',
      'multipart/related; type="application/octet-stream"',
      'multipart/related; type="image/jp2"; transfer-syntax=*',
      'multipart/related; type="image/jpeg"; transfer-syntax=1.2.840.10008.1.2.4.50',
      'application/octet-stream; transfer-syntax=*',
      'image/jpeg',
    ]) {
      t.equal((await framesAs(accept)).status, 406, accept)
    }
  })

  t.test('metadata name the pixel data by URL', async (t) => {
    const [metadata] = await json(`${instancePath(single)}/metadata`)
    t.match(metadata?.['7FE00010'], { vr: 'OB', BulkDataURI: /\/bulkdata\/7FE00010$/ })
  })
})
