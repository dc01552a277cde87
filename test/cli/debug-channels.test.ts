import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { describeError, serializeError } from '../../src/observe/serialize-error.ts'
import { ended, startProgram } from '../helpers/program.ts'

t.test('what Node itself would print can’t be silenced: the program says so, and does not start', async (t) => {
  const loud: [Record<string, string>, string[]][] = [
    [{ NODE_DEBUG: 'http' }, []],
    [{ NODE_DEBUG_NATIVE: 'tls' }, []],
    [{}, ['--trace-tls']],
    [{}, ['--trace_tls']],
    [{}, ['--unhandled-rejections=warn']],
    [{}, [`--tls-keylog=${join(t.testdir(), 'keys.txt')}`]],
  ]
  for (const [env, options] of loud) {
    const { child, output } = startProgram(t, ['emulator', '--port', '0'], env, options)
    t.equal(await ended(child), 2)
    t.match(
      output(),
      /(NODE_DEBUG|NODE_DEBUG_NATIVE|--trace-tls|--tls-keylog|--unhandled-rejections) would show access tokens/,
    )
    t.notMatch(output(), /keys\.txt/)
  }
})

t.test('a failure that nobody handles: what and where, and nothing that it carries', async (t) => {
  const folder = t.testdir()
  const secret = 'ya29.secret-Doe^Jane'
  const cases = {
    rejection: `Promise.reject(error)`,
    exception: `throw error`,
    text: `Promise.reject('${secret}')`,
  }
  for (const [name, failing] of Object.entries(cases)) {
    const file = join(folder, `${name}.mjs`)
    const made = `const error = Object.assign(new TypeError('${secret}', { cause: new Error('${secret}\\n    at ${secret} (x:1:1)') }), { code: '${secret}', config: { headers: { authorization: '${secret}' } } })`
    await writeFile(file, `setTimeout(() => { ${made}; ${failing} }, 300)`)
    const { child, output } = startProgram(t, ['emulator', '--port', '0'], {}, [`--import=${file}`])
    t.equal(await ended(child), 1, name)
    t.match(output(), /Unexpected failure, please report it: (TypeError\n {4}at .*\n.*Caused by Error|\w)/s)
    t.notMatch(output(), /secret/)
  }
})

t.test('errors without anything that could be secret', async (t) => {
  const error = Object.assign(new RangeError('Doe', { cause: 'Doe' }), { code: 'ENOENT', name: 'Doe' })
  t.match(serializeError(error), { name: 'RangeError', code: 'ENOENT', cause: { name: 'string', frames: [] } })
  t.match(describeError(error), /^RangeError \(ENOENT\)\n {4}at .*\nCaused by string$/s)
  const loop = new Error('a')
  loop.cause = loop
  t.ok(describeError(loop).split('Caused by').length < 20)
})
