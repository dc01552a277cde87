import { randomUUID } from 'node:crypto'
import t from 'tap'
import { TestData } from '../../src/cli/conformance/test-data.ts'
import { type EncodedElement, encodedFile, syntaxes } from './encoded-file.ts'
import { partsOf } from './parts-of.ts'
import { type Session, startSession } from './session.ts'

const uid = (number: number) => `2.25.${number}`
const doubles = Buffer.alloc(16)
doubles.writeDoubleLE(0.1)
doubles.writeDoubleLE(-2e9, 8)

/** Numbers of each size, a text of odd length, and sequences in each other. */
const elements: readonly EncodedElement[] = [
  ['00080016', 'UI', '1.2.840.10008.5.1.4.1.1.2'],
  ['00080018', 'UI', uid(3)],
  ['00081140', 'SQ', [[['00081155', 'UI', uid(4)]], [['00081140', 'SQ', [[['00081155', 'UI', uid(5)]]]]]]],
  ['00100010', 'PN', 'Odd'],
  ['00189087', 'FD', doubles],
  ['0020000D', 'UI', uid(1)],
  ['0020000E', 'UI', uid(2)],
  ['00280009', 'AT', Buffer.from('18006310', 'hex')],
  ['00280010', 'US', Buffer.from([2, 0])],
  ['00280011', 'US', Buffer.from([1, 0])],
  ['7FE00010', 'OW', Buffer.from([1, 2, 3, 4])],
]

async function retrieved({ request }: Session, path: string, accept = 'application/dicom'): Promise<Buffer> {
  const response = await request(path, { headers: { accept } })
  t.equal(response.status, 200, path)
  return Buffer.from(await response.arrayBuffer())
}

t.test('without a transfer syntax, native files come in Explicit VR Little Endian', async (t) => {
  const session = await startSession(t)
  const expected = encodedFile(syntaxes.explicit, elements)
  const path = `/studies/${uid(1)}/series/${uid(2)}/instances/${uid(3)}`
  for (const [name, syntax] of Object.entries(syntaxes)) {
    const bytes = encodedFile(syntax, elements)
    t.equal((await session.store([{ bytes }])).status, 200)
    t.ok((await retrieved(session, path)).equals(expected), name)
    t.ok((await retrieved(session, path, 'application/dicom; transfer-syntax=1.2.840.10008.1.2.1')).equals(expected))
    t.ok((await retrieved(session, path, 'application/dicom; transfer-syntax=*')).equals(bytes), `${name} as stored`)
    t.equal((await session.request(path, { method: 'DELETE' })).status, 200)
  }
})

t.test('RLE is decompressed, frame by frame', async (t) => {
  const session = await startSession(t)
  const data = new TestData(randomUUID())
  const compressed = data.instance(data.ways, 1, 1, { syntax: 'rle', frames: 3 })
  t.equal((await session.store([compressed])).status, 200)
  const { study, series, instance } = compressed
  const bytes = await retrieved(session, `/studies/${study}/series/${series}/instances/${instance}`)
  t.ok(bytes.equals(data.instance(data.ways, 1, 1, { frames: 3 }).bytes))
})

t.test('frames and images of RLE are decompressed, too', async (t) => {
  const session = await startSession(t)
  const data = new TestData(randomUUID())
  const native = data.instance(data.ways, 1, 1, { frames: 2 })
  const compressed = data.instance(data.ways, 1, 2, { syntax: 'rle', frames: 2 })
  t.equal((await session.store([native, compressed])).status, 200)
  const path = ({ study, series, instance }: typeof native) =>
    `/studies/${study}/series/${series}/instances/${instance}`
  const octets = 'multipart/related; type="application/octet-stream"'
  for (const accept of [octets, `${octets}; transfer-syntax=1.2.840.10008.1.2.1`, '*/*']) {
    const response = await session.request(`${path(compressed)}/frames/2,1`, { headers: { accept } })
    t.same(await partsOf(response), [...compressed.frames].reverse(), accept)
  }
  for (const accept of [
    'multipart/related; type="image/dicom-rle"; transfer-syntax=*',
    `${octets}; transfer-syntax=*`,
  ]) {
    const response = await session.request(`${path(compressed)}/frames/1`, { headers: { accept } })
    t.equal(response.status, 200, accept)
    const [part] = await partsOf(response)
    t.notOk(part?.equals(compressed.frames[0] ?? part), 'as it is stored')
  }
  const twice = data.instance(data.ways, 1, 2, { frames: 2 })
  const image = async (of: typeof native) => await retrieved(session, `${path(of)}/frames/2/rendered`, 'image/png')
  const shown = await image(compressed)
  t.equal((await session.request(path(compressed), { method: 'DELETE' })).status, 200)
  t.equal((await session.store([twice])).status, 200)
  t.ok(shown.equals(await image(twice)), 'rendered like the native frame')
})

t.test('a broken RLE frame is refused, and harms nothing', async (t) => {
  const session = await startSession(t)
  const data = new TestData(randomUUID())
  const { bytes, study, series, instance } = data.instance(data.ways, 1, 1, { syntax: 'rle' })
  // The number of segments, at the beginning of the only fragment.
  const at = bytes.lastIndexOf(Buffer.from([0xfe, 0xff, 0x00, 0xe0])) + 8
  const broken = Buffer.from(bytes)
  broken.writeUInt32LE(0xffffffff, at)
  t.equal((await session.store([{ bytes: broken }])).status, 200)
  const path = `/studies/${study}/series/${series}/instances/${instance}`
  t.ok((await session.request(path, { headers: { accept: 'application/dicom' } })).status >= 400)
  for (const below of ['/frames/1', '/rendered']) t.ok((await session.request(`${path}${below}`)).status >= 400, below)
  t.ok((await retrieved(session, path, 'application/dicom; transfer-syntax=*')).equals(broken))
})
