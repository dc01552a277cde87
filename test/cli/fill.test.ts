import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { exampleStudies } from '../../src/emulator/example-studies.ts'
import { eventually } from '../helpers/eventually.ts'
import { ended, startProgram } from '../helpers/program.ts'

const [first, second, ...others] = [...exampleStudies()]
const otherStudy = others.at(-1)
/** The same UIDs, another pixel. */
const changed = Buffer.from(first?.bytes ?? [])
changed.writeUInt8(0xff, changed.length - 2)

t.test('emulator --fill: stores what is DICOM, in all folders, and says why it skips the rest', async (t) => {
  const [source, folder] = [join(t.testdir(), 'source'), join(t.testdirName, 'emulator')]
  mkdirSync(join(source, 'deep', 'deeper'), { recursive: true })
  writeFileSync(join(source, 'a.dcm'), first?.bytes ?? '')
  writeFileSync(join(source, 'deep', 'IM0001'), second?.bytes ?? '')
  writeFileSync(join(source, 'deep', 'deeper', 'report'), otherStudy?.bytes ?? '')
  writeFileSync(join(source, 'b.txt'), 'read me')
  writeFileSync(join(source, 'c.dcm'), first?.bytes.subarray(0, 400) ?? '')
  writeFileSync(join(source, 'd\u001b[31m.dcm'), changed)
  symlinkSync(source, join(source, 'e-link'))

  const { child, output } = startProgram(t, ['emulator', '--port', '0', '--folder', folder, '--fill', source])
  await eventually('it is done', () => /\d+ stored, \d+ skipped/.test(output()))
  t.match(output(), '3 stored, 4 skipped')
  for (const file of ['a.dcm', 'deep/IM0001', 'deep/deeper/report']) t.match(output(), `stored   ${file}\n`)
  t.match(output(), /^skipped {2}b\.txt: not a DICOM Part 10 file$/m)
  t.match(output(), /^skipped {2}c\.dcm: \S.+$/m)
  t.match(output(), /^skipped {2}d.*31m\.dcm: instance [\d.]+ already exists$/m)
  t.match(output(), /^skipped {2}e-link: a link, which is not followed$/m)
  t.notOk(output().includes('\u001b'))
  const kept = readdirSync(folder, { recursive: true }).map(String)
  t.equal(kept.filter((name) => name.endsWith('.dcm')).length, 3)
  t.equal(kept.filter((name) => name.includes('incoming')).length, 0)
  child.kill('SIGINT')
  t.equal(await ended(child), 130)
})

t.test('emulator --fill: a wrong folder is a usage error', async (t) => {
  const folder = t.testdir({ inside: {} })
  for (const [words, problem] of [
    [['--fill', join(folder, 'missing')], /--fill .*missing is not a folder that can be read/],
    [['--fill', folder, '--folder', join(folder, 'inside')], /--folder .*inside is inside --fill/],
  ] as const) {
    const { child, output } = startProgram(t, ['emulator', '--port', '0', ...words])
    t.equal(await ended(child), 2)
    t.match(output(), problem)
  }
})
