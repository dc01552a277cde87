import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import sax from 'sax'
import { test } from 'tap'
import { ours } from '../../bench/contenders.ts'
import { keepResults } from '../../bench/keep-results.ts'
import { barChart } from '../../bench/svg/bars.ts'
import { lineChart } from '../../bench/svg/lines.ts'
import { someResults } from './some-results.ts'

test('the report has verdicts, reasons wanted, tables, and the pictures that are beside it', async (t) => {
  const folder = t.testdir()
  await keepResults(someResults, folder)
  const report = await readFile(join(folder, 'latest.md'), 'utf8')
  t.match(report, /This run was not finished/)
  t.match(report, /left out: haproxy/)
  t.match(report, /Failed: Memory of something: it ended/)
  t.match(report, /\| Memory of an idle connection +\| 32\.5 KiB +\| at most 32 KiB +\| MISSED \|/)
  t.match(report, /- Memory of an idle connection: not explained yet\./)
  t.match(report, new RegExp(`\\| ${ours.name} +\\| 88 +\\| 1000 +\\| 100 +\\| 1\\.00`))
  const shown = [...report.matchAll(/!\[[^\]]+\]\(([^)]+)\)/g)].map(([, file]) => file)
  const pictures = (await readdir(folder)).filter((file) => file.endsWith('.svg'))
  t.same(shown.toSorted(), pictures.toSorted())
  t.ok(pictures.length >= 7)
  t.same(JSON.parse(await readFile(join(folder, 'latest.json'), 'utf8')), someResults)
  for (const file of pictures) t.ok(textsOf(await readFile(join(folder, file), 'utf8'), 'title').length > 0, file)
})

test('a run that is finished says nothing of not being so', async (t) => {
  const folder = t.testdir()
  await keepResults({ ...someResults, finished: true, missing: [], failures: [] }, folder)
  const report = await readFile(join(folder, 'latest.md'), 'utf8')
  t.notMatch(report, /not finished|left out|Failed/)
})

test('bars: well-formed, with title, unit, names and values; as long as their values', async (t) => {
  const bars = [
    { label: 'a & <b>', value: 10, own: false },
    { label: 'none', value: 0, own: false },
    { label: 'own', value: 40, own: true },
  ]
  const svg = barChart({ title: 'Cost "per" request', axis: 'time, µs', bars })
  t.same(textsOf(svg, 'text'), [
    'Cost "per" request',
    ...['0', '10', '20', '30', '40'],
    ...['a & <b>', '10.0', 'none', '0.00', 'own', '40.0'],
    'time, µs',
  ])
  const widths = [...svg.matchAll(/class="(?:bar|own)".* width="([\d.]+)"/g)].map(([, width]) => Number(width))
  t.same(widths, [130, 0, 520])
})

test('lines: well-formed; labels do not cover each other; ours has all of its values', async (t) => {
  const lines = ['a', 'b', 'c'].map((label) => ({ label, values: [50, 50.1], own: label === 'c' }))
  const svg = lineChart({ title: 'Over', xAxis: 'connections', yAxis: 'µs', xs: [1, 256], lines })
  const texts = textsOf(svg, 'text')
  t.ok(
    ['Over', 'connections', 'µs', '1', '256', 'a 50.1', 'b 50.1', 'c 50.1', '50.0'].every((each) =>
      texts.includes(each),
    ),
  )
  const heights = [...svg.matchAll(/y="([\d.]+)"[^>]*>[abc] 50\.1</g)]
    .map(([, y]) => Number(y))
    .toSorted((a, b) => a - b)
  t.equal(heights.length, 3)
  t.ok(heights.every((height, at) => at === 0 || height - (heights[at - 1] ?? 0) >= 14))
})

/** Texts of the elements of this name; throws if the document is not well-formed. */
function textsOf(svg: string, wanted: string): readonly string[] {
  const reader = sax.parser(true)
  const texts: string[] = []
  let inside = false
  reader.onerror = (error) => {
    throw error
  }
  reader.onopentag = ({ name }) => {
    inside = name === wanted
  }
  reader.ontext = (text) => {
    if (inside && text.trim() !== '') texts.push(text)
  }
  reader.write(svg).close()
  return texts
}
