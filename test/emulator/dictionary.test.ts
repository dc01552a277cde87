import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { keywordOf, tagOf, vrOf } from '../../src/emulator/dicom/dictionary.ts'
import { dictionaryFile, dictionarySource } from './dictionary-source.ts'

test('the dictionary is what npm run dictionary makes of dcmjs', async (t) => {
  const written = readFileSync(dictionaryFile, 'utf8')
  t.ok(written === dictionarySource(), 'run: npm run dictionary')
  const lines = /`\n([^`]*)`\n$/.exec(written)?.[1]?.trim().split('\n') ?? []
  t.ok(lines.length > 5000, `${lines.length} elements`)
  const unlike = lines.filter((line) => !/^[\dA-F]{2}(?:[\dA-F]{2}|xx)[\dA-F]{4} [A-Z]{2} [\dn-]+ \w+$/.test(line))
  t.strictSame(unlike, [])
  const columns = lines.map((line) => line.split(' '))
  for (const column of [0, 3]) t.equal(new Set(columns.map((each) => each[column])).size, lines.length, 'no doubles')
})

test('elements are found by keyword and by tag', async (t) => {
  t.equal(tagOf('PatientName'), '00100010')
  t.equal(tagOf('7fe00010'), '7FE00010')
  t.equal(tagOf('Nonsense'), undefined)
  t.equal(tagOf('constructor'), undefined)
  t.equal(keywordOf('00080018'), 'SOPInstanceUID')
  t.equal(keywordOf('00090010'), undefined)
  t.equal(keywordOf('00080010'), 'RecognitionCode', 'a retired one, by its keyword in PS3.6')
})

test('so are those of repeating groups', async (t) => {
  t.equal(tagOf('OverlayData'), '60003000')
  for (const tag of ['60003000', '60023000', '601E3000']) t.equal(keywordOf(tag), 'OverlayData')
  t.equal(vrOf('60020010'), 'US')
  t.equal(keywordOf('7FE00010'), 'PixelData', 'the element itself comes before a group that it would be of')
})

test('the VR of an element is that of PS3.6', async (t) => {
  t.equal(vrOf('00100010'), 'PN')
  t.equal(vrOf('7FE00010'), 'OW', 'OB or OW')
  t.equal(vrOf('00280106'), 'US', 'US or SS')
  t.equal(vrOf('00283006'), 'OW', 'US or OW')
  t.equal(vrOf('00041200'), 'UL', 'an offset')
  t.equal(vrOf('00110000'), 'UL', 'the length of a group')
  t.equal(vrOf('00110010'), 'UN', 'a private one')
})
