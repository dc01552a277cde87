import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { confirmed, needsTerminal } from '../../../src/cli/conformance/question.ts'

const never = new AbortController().signal

function terminal() {
  return { input: Object.assign(new PassThrough(), { isTTY: true }), output: new PassThrough() }
}

t.test('only yes begins', async (t) => {
  for (const [typed, expected] of [
    ['yes\n', true],
    ['Y\n', true],
    [' yes \r\n', true],
    ['\n', false],
    ['no\n', false],
    ['yes please\n', false],
  ] as const) {
    const { input, output } = terminal()
    input.write(typed)
    t.equal(await confirmed({ input, output }, never), expected, JSON.stringify(typed))
    output.end()
    t.match(await text(output), /store for tests\?.*yes/)
  }
})

t.test('a terminal that is closed, and a signal, begin nothing', async (t) => {
  const closed = terminal()
  closed.input.end()
  t.equal(await confirmed(closed, never), false)
  const interruption = new AbortController()
  const asked = confirmed(terminal(), interruption.signal)
  interruption.abort()
  t.equal(await asked, false)
})

t.test('where nobody can be asked is a usage error', async (t) => {
  const { output } = terminal()
  t.throws(() => needsTerminal({ input: new PassThrough(), output }), /no terminal.*--yes/)
  needsTerminal(terminal())
})
