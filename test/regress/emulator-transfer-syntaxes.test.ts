import { data } from 'dcmjs'
import { test } from 'tap'
import { type EncodedElement, encodedFile, syntaxes } from '../emulator/encoded-file.ts'
import { partsOf } from '../emulator/parts-of.ts'
import { startSession } from '../emulator/session.ts'

// Seen: every file in Implicit VR Little Endian, the default of DICOM, was refused ("Element
// 00080005 has no VR"), and so were Explicit VR Big Endian, Deflated Explicit VR Little Endian, and
// a file whose UIDs have the VR UN.

const numbers = (size: 2 | 4, ...values: number[]) =>
  Buffer.concat(
    values.map((value) => {
      const bytes = Buffer.alloc(size)
      bytes.writeUIntLE(value, 0, size)
      return bytes
    }),
  )
const double = Buffer.alloc(8)
double.writeDoubleLE(0.25)
const pixels = numbers(2, 1, 2, 3, 4, 500, 6)

const elements = (instance: string): EncodedElement[] => [
  ['00080005', 'CS', 'ISO_IR 100'],
  ['00080016', 'UI', '1.2.840.10008.5.1.4.1.1.7'],
  ['00080018', 'UI', instance],
  ['00081140', 'SQ', [[['00081155', 'UI', '1.2.3']], [['00081155', 'UI', '1.2.4']]]],
  ['00100010', 'PN', 'M\xfcller^A'],
  ['00189073', 'FD', double],
  ['0020000D', 'UI', '1.20'],
  ['0020000E', 'UI', '1.30'],
  ['00280002', 'US', numbers(2, 1)],
  ['00280009', 'AT', numbers(2, 0x0018, 0x1063)],
  ['00280010', 'US', numbers(2, 2)],
  ['00280011', 'US', numbers(2, 3)],
  ['00280100', 'US', numbers(2, 16)],
  ['00720066', 'LO', 'a\\b'],
  ['00720078', 'UL', numbers(4, 70_000, 3)],
  ['7FE00010', 'OW', pixels],
]

test('files of every transfer syntax are stored and read', async (t) => {
  const { store, request, json } = await startSession(t)
  for (const [name, syntax] of Object.entries(syntaxes)) {
    const instance = `1.40.${Object.keys(syntaxes).indexOf(name)}`
    const bytes = encodedFile(syntax, elements(instance))
    const response = await store([{ bytes }])
    t.equal(response.status, 200, name)
    const path = `/studies/1.20/series/1.30/instances/${instance}`

    const [metadata = {}] = await json(`${path}/metadata`)
    t.match(
      metadata,
      {
        '00020010': { vr: 'UI', Value: [syntax] },
        '00081140': { vr: 'SQ', Value: [{ '00081155': { Value: ['1.2.3'] } }, { '00081155': { Value: ['1.2.4'] } }] },
        '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Müller^A' }] },
        '00189073': { vr: 'FD', Value: [0.25] },
        '00280009': { vr: 'AT', Value: ['00181063'] },
        '00280010': { vr: 'US', Value: [2] },
        '00720078': { vr: 'UL', Value: [70_000, 3] },
        '7FE00010': { vr: 'OW', BulkDataURI: /7FE00010$/ },
      },
      name,
    )
    t.same(valuesOf(metadata), valuesOfDcmjs(bytes), `${name}: as dcmjs reads it`)

    const file = await request(path, { headers: { accept: 'application/dicom; transfer-syntax=*' } })
    t.ok(Buffer.from(await file.arrayBuffer()).equals(bytes), `${name}: byte for byte`)
    const accept = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
    const [frame] = await partsOf(await request(`${path}/frames/1`, { headers: { accept } }))
    t.ok(frame?.equals(name === 'bigEndian' ? Buffer.from(pixels).swap16() : pixels), `${name}: its pixels`)
    t.equal((await request(`${path}/rendered`, { headers: { accept: 'image/png' } })).status, 200, name)
  }
})

test('so is a bare data set in Implicit VR, without a preamble', async (t) => {
  const { store, json } = await startSession(t)
  const bytes = encodedFile(syntaxes.implicit, elements('1.41'))
  t.equal((await store([{ bytes: bytes.subarray(bytes.indexOf(Buffer.from('08000500', 'hex'))) }])).status, 200)
  const [metadata] = await json('/studies/1.20/series/1.30/instances/1.41/metadata')
  t.match(metadata?.['00100010'], { Value: [{ Alphabetic: 'Müller^A' }] })
})

test('values whose VR the sender did not know are read as the dictionary has them', async (t) => {
  const { store, json } = await startSession(t)
  const item = Buffer.from('feff00e00c0000000800551104000000312e3200', 'hex')
  const bytes = encodedFile(syntaxes.explicit, [
    ['00080018', 'UN', '1.40'],
    ['00081140', 'UN', item],
    ['0020000D', 'UN', '1.20'],
    ['0020000E', 'UN', '1.30'],
    ['00280010', 'UN', numbers(2, 7)],
    ['00291010', 'UN', Buffer.from('anything')],
  ])
  t.equal((await store([{ bytes }])).status, 200)
  const [metadata] = await json('/studies/1.20/series/1.30/instances/1.40/metadata')
  t.match(metadata, {
    '00081140': { vr: 'SQ', Value: [{ '00081155': { vr: 'UI', Value: ['1.2'] } }] },
    '00280010': { vr: 'US', Value: [7] },
    '00291010': { vr: 'UN', BulkDataURI: /00291010$/ },
  })
})

test('what cannot be inflated, or inflates without end, is no DICOM', async (t) => {
  const { store } = await startSession(t)
  const bytes = encodedFile(syntaxes.deflated, elements('1.40'))
  t.equal((await store([{ bytes: Buffer.concat([bytes.subarray(0, -20), Buffer.alloc(20, 0xff)]) }])).status, 409)
  t.equal((await store([{ bytes: bytes.subarray(0, -20) }])).status, 409)
})

type DataSet = Readonly<Record<string, { readonly Value?: readonly unknown[] | undefined }>>

/**
 * Texts and numbers of all elements; dcmjs has items, names and the character set, which it
 * changes, in its own way.
 */
function valuesOf(dataSet: DataSet): [string, string][] {
  const own = Object.entries(dataSet).filter(([tag]) => !tag.startsWith('0002') && tag !== '00080005')
  const plain = own.filter(
    ([, { Value = [] }]) => Value.length > 0 && Value.every((value) => typeof value !== 'object'),
  )
  return plain.map(([tag, { Value = [] }]) => [tag, Value.join('\\').toUpperCase()] as [string, string]).sort()
}

function valuesOfDcmjs(bytes: Buffer): [string, string][] {
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)
  const { dict } = data.DicomMessage.readFile(file as ArrayBuffer)
  return valuesOf(
    Object.fromEntries(
      Object.entries(dict).map(([tag, { vr, Value }]) => [
        tag,
        { Value: vr === 'AT' ? Value?.map((value) => Number(value).toString(16).padStart(8, '0')) : Value },
      ]),
    ),
  )
}
