import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'tap'
import { syntheticStudy } from '../../../src/emulator/synthetic-study.ts'
import { dataSetStart, uidsOf } from '../../../src/server/parallel-stow/instance-head.ts'
import { isSameDataSet } from '../../../src/server/parallel-stow/same-data-set.ts'
import { type EncodedElement, encodedFile, syntaxes } from '../../emulator/encoded-file.ts'
import { needs } from '../../helpers/peer.ts'

const uids = { sopClass: '1.2.840.10008.5.1.4.1.1.2', sopInstance: '1.2.3.4', study: '1.2.3', series: '1.2.3.5' }
const elements: EncodedElement[] = [
  ['00080005', 'CS', 'ISO_IR 192'],
  ['00080016', 'UI', uids.sopClass],
  ['00080018', 'UI', uids.sopInstance],
  [
    '00081140',
    'SQ',
    [
      [
        ['00081155', 'UI', '9.9'],
        ['0020000D', 'UI', '9.9.9'],
      ],
    ],
  ],
  ['00100010', 'PN', 'Synthetic^Patient'],
  ['0020000D', 'UI', uids.study],
  ['0020000E', 'UI', uids.series],
  ['7FE00010', 'OW', Buffer.alloc(3_000_000, 7)],
]

function inPieces(bytes: Buffer, length: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / length) }, (_, at) =>
    bytes.subarray(at * length, (at + 1) * length),
  )
}

async function* arriving(pieces: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* pieces
}

test('UIDs in any transfer syntax', async (t) => {
  for (const [name, syntax] of Object.entries(syntaxes)) {
    const file = encodedFile(syntax, elements)
    t.same(uidsOf([file]), uids, name)
    t.same(uidsOf(inPieces(file, 100)), uids, `${name} in small pieces`)
    if (name !== 'deflated')
      t.same(uidsOf([file.subarray(0, 300)]), { ...uids, study: '', series: '' }, `${name}, cut short`)
  }
  const bare = encodedFile(syntaxes.implicit, elements)
  t.same(uidsOf([bare.subarray(dataSetStart([bare]) ?? 0)]), uids, 'a data set without file meta information')
})

test('UIDs behind sequences without a length', async (t) => {
  const length = Buffer.from([0xff, 0xff, 0xff, 0xff])
  const file = encodedFile(syntaxes.implicit, elements)
  const start = dataSetStart([file]) ?? 0
  // Referenced Image Sequence, with an item of which neither has a length.
  const sequence = Buffer.concat([
    Buffer.from([0x08, 0, 0x41, 0x11]),
    length,
    Buffer.from([0xfe, 0xff, 0x00, 0xe0]),
    length,
    Buffer.from([0x08, 0, 0x55, 0x11, 2, 0, 0, 0, 0x39, 0]),
    Buffer.from([0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0, 0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0]),
  ])
  const at = file.indexOf('Synthetic^Patient') - 8
  const longer = Buffer.concat([file.subarray(0, at), sequence, file.subarray(at)])
  t.ok(at > start)
  t.same(uidsOf([longer]), uids)
})

test('what is no instance', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(4000), (bytes, from) => {
      // Random bytes, and a file that is damaged somewhere.
      uidsOf([Buffer.from(bytes)])
      const file = Buffer.from(encodedFile(syntaxes.explicit, elements.slice(0, -1)))
      file.set(bytes.subarray(0, 4), from % (file.length - 4))
      const found = uidsOf([file])
      return Object.values(found).every((uid) => uid.length <= 64)
    }),
    { numRuns: 2_000 },
  )
  t.same(uidsOf([]), { sopClass: '', sopInstance: '', study: '', series: '' })
  // A few KiB that would become gigabytes.
  const bomb = encodedFile(syntaxes.deflated, [['00080005', 'OB', Buffer.alloc(60_000_000)], ...elements])
  t.same(uidsOf([bomb]).study, '')
})

test('the same data set', async (t) => {
  const file = encodedFile(syntaxes.explicit, elements)
  const start = dataSetStart([file]) ?? 0
  const otherMeta = Buffer.concat([encodedFile(syntaxes.implicit, []), file.subarray(start)])
  t.ok(dataSetStart([otherMeta]))
  const short = encodedFile(syntaxes.explicit, [...elements.slice(0, -1), ['7FE00010', 'OW', Buffer.alloc(5_000, 7)]])
  const cases: [Buffer, number][] = [
    [short, 7],
    [file, 1000],
    [file, 65_536],
    [file, file.length],
  ]
  for (const [file, length] of cases) {
    const changed = Buffer.from(file)
    changed[file.length - 1] = 8
    t.ok(await isSameDataSet(inPieces(file, 1000), arriving(inPieces(file, length))), `${length}`)
    t.notOk(await isSameDataSet(inPieces(file, 1000), arriving(inPieces(changed, length))), `${length}, another byte`)
    t.notOk(
      await isSameDataSet(inPieces(file, 1000), arriving(inPieces(file.subarray(0, -1), length))),
      `${length}, shorter`,
    )
    t.notOk(
      await isSameDataSet(inPieces(file.subarray(0, -1), 1000), arriving(inPieces(file, length))),
      `${length}, longer`,
    )
  }
  t.ok(await isSameDataSet([file], arriving([otherMeta])), 'with other file meta information')
  t.notOk(await isSameDataSet([Buffer.from('no DICOM')], arriving([Buffer.from('no DICOM')])))
})

const dcmtk = needs('dcmtk (Debian: apt install dcmtk)', hasDcmtk())

function hasDcmtk(): boolean {
  try {
    execFileSync('dcmconv', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

test('files that dcmtk writes', dcmtk, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'heads-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [instance] = [...syntheticStudy({ instances: 1 })]
  if (!instance) throw new Error('No instance')
  const file = join(folder, 'explicit.dcm')
  writeFileSync(file, instance.bytes)
  const expected = {
    sopClass: '1.2.840.10008.5.1.4.1.1.2',
    sopInstance: instance.sopInstanceUid,
    study: instance.studyInstanceUid,
    series: instance.seriesInstanceUid,
  }
  t.same(uidsOf([readFileSync(file)]), expected)
  const writers = {
    implicit: ['dcmconv', '+ti'],
    'big endian': ['dcmconv', '+tb'],
    deflated: ['dcmconv', '+td'],
    'without lengths': ['dcmconv', '+te', '-e'],
    RLE: ['dcmcrle'],
    JPEG: ['dcmcjpeg'],
  }
  for (const [name, [program = '', ...options]] of Object.entries(writers)) {
    const written = join(folder, `${name}.dcm`)
    execFileSync(program, [...options, file, written])
    t.same(
      uidsOf([readFileSync(written)]),
      { ...expected, ...(name === 'JPEG' && { sopInstance: uidsOf([readFileSync(written)]).sopInstance }) },
      name,
    )
  }
})
