import { Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import t, { type Test } from 'tap'
import { Progress } from '../../src/cli/terminal/progress.ts'

function output(t: Test, terminal: { isTTY?: boolean; columns?: number } = {}) {
  let all = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      all += chunk
      done()
    },
  })
  t.teardown(() => stream.destroy())
  return { stream: Object.assign(stream, terminal), all: () => all }
}

t.test('into a pipe: finished lines only, plain', async (t) => {
  const { stream, all } = output(t)
  const progress = new Progress(stream, 10)
  progress.heading('Part')
  const line = progress.begin('Title')
  t.equal(all(), '\nPart\n')
  line.end('✗', 'a detail', ['→ what fixes it'])
  progress.begin('Other').end('–', 'not tried')
  progress.begin('Start').drop()
  t.match(all(), /^\nPart\n✗ Title[ \d]{10}\d ms {2}a detail\n {4}→ what fixes it\n– Other {16}not tried\n$/)
})

t.test('on a terminal: the current line, in place', async (t) => {
  const { stream, all } = output(t, { isTTY: true, columns: 30 })
  const line = new Progress(stream, 40).begin('Title')
  t.equal(all(), `\r\x1b[2K⠋ Title${' '.repeat(22)}`, 'cut, so that it does not wrap')
  line.end('✓', 'done')
  t.match(stripVTControlCharacters(all().slice(all().lastIndexOf('\r'))), /^\r✓ Title/)
})

t.test('on a terminal: words stay whole, and what is to be copied in one line', async (t) => {
  const { stream, all } = output(t, { isTTY: true, columns: 70 })
  const words = 'some words that are far too long for what is left of a line of seventy columns'
  new Progress(stream, 10).begin('Title').end('–', words, [`→ ${words}`])
  const lines = all().split('\n')
  t.ok(lines.slice(0, -2).every((line) => stripVTControlCharacters(line.split('\r').at(-1) ?? '').length <= 70))
  t.match(lines[1], /^ {23}\S/, 'below each other')
  t.equal(lines.at(-2), `    → ${words}`)
  const narrow = output(t, { isTTY: true, columns: 50 })
  new Progress(narrow.stream, 10).begin('Title').end('–', words)
  t.match(narrow.all().split('\n')[1], /^ {4}\S/)
})
