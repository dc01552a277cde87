import fc from 'fast-check'
import { test } from 'tap'
import type { ByteSource } from '../../src/emulator/dicom/byte-source.ts'
import { DataSetError, DataSetReader } from '../../src/emulator/dicom/data-set-reader.ts'
import { bulkDataAt, type DataSet, withBulkDataUris } from '../../src/emulator/dicom/dicom-json.ts'
import { toXml } from '../../src/emulator/dicom/dicom-xml.ts'
import { readDataSet, readFileMeta } from '../../src/emulator/dicom/part10.ts'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'

const undefinedLength = 0xffffffff
const source = (bytes: Buffer): ByteSource => ({
  size: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
})

function read(explicit: boolean, ...elements: readonly Buffer[]): DataSet {
  const bytes = Buffer.concat(elements)
  const dataSet: DataSet = {}
  new DataSetReader(source(bytes), { explicit, littleEndian: true }).read(0, bytes.length, dataSet)
  return dataSet
}

function readFile(bytes: Buffer): DataSet {
  return readDataSet(source(bytes), readFileMeta(source(bytes)))
}

function tagBytes(tag: string): Buffer {
  return Buffer.from(tag.replace(/(..)(..)(..)(..)/, '$2$1$4$3'), 'hex')
}

/** Explicit VR, the short form. */
function short(tag: string, vr: string, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string)
  const length = Buffer.alloc(2)
  length.writeUInt16LE(bytes.length)
  return Buffer.concat([tagBytes(tag), Buffer.from(vr), length, bytes])
}

/** Explicit VR, the long form. */
function long(tag: string, vr: string, value: Buffer, length = value.length): Buffer {
  return Buffer.concat([tagBytes(tag), Buffer.from(`${vr}\0\0`), uint32(length), value])
}

/** Implicit VR, or an item. */
function implicit(tag: string, value: Buffer, length = value.length): Buffer {
  return Buffer.concat([tagBytes(tag), uint32(length), value])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

const item = (...elements: readonly Buffer[]) => implicit('FFFEE000', Buffer.concat(elements))
const itemEnd = implicit('FFFEE00D', Buffer.alloc(0))
const sequenceEnd = implicit('FFFEE0DD', Buffer.alloc(0))

test('values as the DICOM JSON Model writes them', async (t) => {
  const dataSet = read(
    true,
    short('00080005', 'CS', 'ISO_IR 192'),
    short('00080008', 'CS', 'ORIGINAL\\\\AXIAL '),
    short('00100010', 'PN', 'Yamada^Tarou=山田^太郎=やまだ^たろう'),
    short('00100020', 'LO', ''),
    short('00104000', 'LT', 'a\\b '),
    short('00201206', 'IS', '3 \\'),
    short('00280030', 'DS', '0.5\\1e-2 '),
    short('00280009', 'AT', Buffer.from('1800631000003000'.slice(0, 8), 'hex')),
    long('00082055', 'OF', Buffer.from('abc\0')),
    long('00720081', 'SV', Buffer.from('ffffffffffffff7f', 'hex')),
  )
  t.same(dataSet, {
    '00080005': { vr: 'CS', Value: ['ISO_IR 192'] },
    '00080008': { vr: 'CS', Value: ['ORIGINAL', null, 'AXIAL'] },
    '00100010': {
      vr: 'PN',
      Value: [{ Alphabetic: 'Yamada^Tarou', Ideographic: '山田^太郎', Phonetic: 'やまだ^たろう' }],
    },
    '00100020': { vr: 'LO' },
    '00104000': { vr: 'LT', Value: ['a\\b'] },
    '00201206': { vr: 'IS', Value: [3, null] },
    '00280030': { vr: 'DS', Value: [0.5, 0.01] },
    '00280009': { vr: 'AT', Value: ['00181063'] },
    '00082055': { vr: 'OF', InlineBinary: 'YWJjAA==' },
    '00720081': { vr: 'SV', Value: ['9223372036854775807'] },
  })
})

test('character sets', async (t) => {
  const name = (charset: string, bytes: Buffer) =>
    read(true, short('00080005', 'CS', charset), short('00100010', 'PN', bytes))['00100010']?.Value?.[0]
  t.same(name('ISO_IR 100', Buffer.from('M\xfcller', 'latin1')), { Alphabetic: 'Müller' })
  t.same(name('ISO_IR 144', Buffer.from([0xbb, 0xee])), { Alphabetic: 'Лю' })
  t.same(name('\\ISO 2022 IR 87', Buffer.from('1b24423b331b2842', 'hex')), { Alphabetic: '山' })
})

test('sequences of both kinds of length, nested, and in Implicit VR', async (t) => {
  const inner = short('00080100', 'SH', 'CODE')
  const expected = { vr: 'SQ', Value: [{ '00080100': { vr: 'SH', Value: ['CODE'] } }] }
  const open = Buffer.concat([implicit('FFFEE000', inner, undefinedLength), itemEnd, sequenceEnd])
  t.same(read(true, long('00081140', 'SQ', item(inner)))['00081140'], expected)
  t.same(read(true, long('00081140', 'SQ', open, undefinedLength), inner)['00081140'], expected)
  t.same(read(true, long('00081140', 'SQ', Buffer.alloc(0)))['00081140'], { vr: 'SQ' })
  const nested = long('00081140', 'SQ', item(long('00081140', 'SQ', item(inner))))
  t.same(read(true, nested)['00081140'], { vr: 'SQ', Value: [{ '00081140': expected }] })

  const implicitInner = implicit('00080100', Buffer.from('CODE'))
  t.same(read(false, implicit('00081140', item(implicitInner)))['00081140'], expected)
  const unknown = Buffer.concat([implicit('FFFEE000', implicitInner, undefinedLength), itemEnd, sequenceEnd])
  t.same(read(true, long('00091010', 'UN', unknown, undefinedLength))['00091010'], expected, 'UN of undefined length')
})

test('which values stay in the file', async (t) => {
  const isBulk = (element: Buffer) => Object.values(read(true, element))[0]?.bulk !== undefined
  t.ok(isBulk(long('00420011', 'OB', Buffer.alloc(2))))
  t.ok(isBulk(long('00091010', 'UN', Buffer.alloc(2))))
  t.ok(isBulk(long('7FE00008', 'OF', Buffer.alloc(4))), 'pixel data of every kind')
  for (const vr of ['OD', 'OF', 'OL', 'OV']) {
    t.notOk(isBulk(long('00091010', vr, Buffer.alloc(2048))), vr)
    t.ok(isBulk(long('00091010', vr, Buffer.alloc(2056))), vr)
  }
  for (const [vr, size] of [
    ['AT', 4],
    ['FD', 8],
    ['FL', 4],
    ['UL', 4],
    ['US', 2],
  ] as const) {
    t.notOk(isBulk(short('00091010', vr, Buffer.alloc(512 * size))), vr)
    t.ok(isBulk(short('00091010', vr, Buffer.alloc(513 * size))), vr)
  }
  for (const vr of ['SV', 'UV']) t.ok(isBulk(long('00091010', vr, Buffer.alloc(513 * 8))), vr)
  t.notOk(isBulk(short('00091010', 'SL', Buffer.alloc(513 * 4))), 'of SL, nothing is said')
})

test('a sequence of more than 1 MiB is left out, and what follows is read', async (t) => {
  const text = long('00091010', 'UT', Buffer.alloc(600 * 1024, 'x'))
  const after = short('00100020', 'LO', 'ID')
  t.same(Object.keys(read(true, long('00081140', 'SQ', item(text)), after)), ['00081140', '00100020'])
  t.same(Object.keys(read(true, long('00081140', 'SQ', Buffer.concat([item(text), item(text)])), after)), ['00100020'])
})

test('large values stay in the file, and have a URL', async (t) => {
  const large = long('00420011', 'OB', Buffer.alloc(2000))
  const dataSet = read(true, long('00081140', 'SQ', item(large)), large)
  const result = withBulkDataUris(dataSet, 'http://x/bulkdata')
  t.equal(result['00420011']?.BulkDataURI, 'http://x/bulkdata/00420011')
  const nested = result['00081140']?.Value?.[0] as DataSet
  t.equal(nested['00420011']?.BulkDataURI, 'http://x/bulkdata/00081140/0/00420011')
  t.equal(bulkDataAt(dataSet, ['00081140', '0', '00420011'])?.bulk?.length, 2000)
  t.notOk(bulkDataAt(dataSet, ['00081140', '1', '00420011']))
  t.notOk(bulkDataAt(dataSet, ['00081140']))
})

test('XML: the Native DICOM Model', async (t) => {
  const xml = toXml(
    read(true, short('00100010', 'PN', 'A&B^C\x01'), long('00081140', 'SQ', item(short('00080100', 'SH', '<x>')))),
  )
  t.match(xml, '<Alphabetic><FamilyName>A&amp;B</FamilyName><GivenName>C</GivenName></Alphabetic>')
  t.match(
    xml,
    '<Item number="1"><DicomAttribute tag="00080100" vr="SH" keyword="CodeValue"><Value number="1">&lt;x&gt;',
  )
})

test('with any bytes, reading ends in a data set or a DataSetError', async (t) => {
  const [instance] = syntheticStudy({ instances: 1, rows: 4, columns: 4 })
  const bytes = instance?.bytes ?? Buffer.alloc(0)
  const damage = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 8 })
  fc.assert(
    fc.property(damage, fc.nat(bytes.length), (changes, length) => {
      const damaged = Buffer.from(bytes.subarray(0, length))
      for (const [at, value] of changes) if (at < length) damaged[at] = value
      try {
        readFile(damaged)
      } catch (cause) {
        if (!(cause instanceof DataSetError)) throw cause
      }
    }),
    { numRuns: 3000 },
  )
  t.ok(readFile(bytes)['7FE00010']?.bulk)
})
