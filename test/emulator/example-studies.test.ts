import { readFileSync } from 'node:fs'
import t from 'tap'
import { decodeRle } from '../../src/emulator/dicom/rle.ts'
import { encodeRle } from '../../src/emulator/dicom/rle-encoder.ts'
import { startEmulator } from '../../src/emulator/emulator.ts'
import { exampleStudies } from '../../src/emulator/example-studies.ts'
import { encodedFramesFile, encodedFramesSource } from './encoded-frames-source.ts'

t.test('an emulator stores every example, and finds twelve studies', async (t) => {
  const emulator = await startEmulator()
  t.teardown(() => emulator.close())
  const studies = new Set<string>()
  for (const { bytes, studyInstanceUid } of exampleStudies()) {
    studies.add(studyInstanceUid)
    const { failure, uids } = await emulator.store(chunksOf(bytes))
    t.equal(failure, undefined)
    t.equal(uids.study, studyInstanceUid)
  }
  t.equal(studies.size, 12)
})

t.test('the examples are few, small, of every kind of encoding, and the same on each run', async (t) => {
  const examples = [...exampleStudies()]
  t.ok(examples.reduce((sum, { bytes }) => sum + bytes.length, 0) < 2 * 1024 * 1024)
  const syntaxes = ['1.2.1', '1.2.4.50', '1.2.4.70', '1.2.4.80', '1.2.4.90', '1.2.5'].map(
    (end) => `1.2.840.10008.${end}`,
  )
  t.strictSame([...new Set(examples.map(({ transferSyntax }) => transferSyntax))].sort(), syntaxes)
  const photometrics = new Set(examples.map(({ image }) => image?.photometric))
  t.strictSame(photometrics, new Set(['MONOCHROME2', 'MONOCHROME1', 'RGB', 'YBR_FULL', undefined]))
  const again = [...exampleStudies()]
  t.ok(examples.every(({ bytes }, index) => again[index]?.bytes.equals(bytes)))
})

t.test('the JPEG-LS and JPEG 2000 frames are those that the encoders make', async (t) => {
  t.equal(readFileSync(encodedFramesFile, 'utf8'), await encodedFramesSource())
})

t.test('RLE: runs and literals of all lengths come back, of one byte and of several', async (t) => {
  for (const length of [1, 2, 3, 127, 128, 129, 130, 257, 300]) {
    const runs = Buffer.alloc(length * 6, 7)
    const literals = Buffer.from(Array.from({ length: length * 6 }, (_, at) => (at * 37) & 0xff))
    const mixed = Buffer.from(Array.from({ length: length * 6 }, (_, at) => (at % 11 < 5 ? 3 : at & 0xff)))
    for (const pixels of [runs, literals, mixed]) {
      for (const [samples, bytes] of [
        [1, 1],
        [1, 2],
        [3, 1],
        [3, 2],
      ] as const) {
        const shape = { pixels: (length * 6) / (samples * bytes), samples, bytes }
        t.ok(decodeRle(encodeRle(pixels, shape.pixels, shape), shape).equals(pixels), `${length}, ${samples}, ${bytes}`)
      }
    }
  }
})

async function* chunksOf(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}
