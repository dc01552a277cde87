import { PassThrough, Writable } from 'node:stream'
import { test } from 'tap'
import { Secrets } from '../../src/cli/orthanc/secrets.ts'
import type { PasswordInput } from '../../src/cli/terminal/password-input.ts'

const nowhere = () => new Writable({ write: (_chunk, _encoding, done) => done() })

/** A terminal whose person types a line whenever it is asked for one. */
function terminal(lines: string[]) {
  const input: PasswordInput & PassThrough = Object.assign(new PassThrough(), { isTTY: true })
  const shown: string[] = []
  const prompts = new Writable({
    write(chunk, _encoding, done) {
      shown.push(String(chunk))
      if (String(chunk).endsWith(': ')) input.write(`${lines.shift()}\r`)
      done()
    },
  })
  return { input, prompts, shown }
}

test('a terminal is asked twice, without echo', async (t) => {
  const { input, prompts, shown } = terminal(['one', 'two'])
  const secrets = new Secrets(input, prompts, {})
  t.same(await secrets.login('admin', 'Orthanc', 'A'), { username: 'admin', password: 'one' })
  t.notOk(input.readableFlowing, 'nothing is read between')
  t.same(await secrets.login('radiology', 'the proxy', 'B'), { username: 'radiology', password: 'two' })
  t.same(shown, ['Password of admin at Orthanc: ', '\n', 'Password of radiology at the proxy: ', '\n'])
})

test('the environment, then the lines of standard input', async (t) => {
  const input = new PassThrough()
  input.end('from input\r\n')
  const secrets = new Secrets(input, nowhere(), { A: 'from the environment' })
  t.match(await secrets.login('u', 'x', 'A'), { password: 'from the environment' })
  t.match(await secrets.login('v', 'x', 'B'), { password: 'from input' })
  await t.rejects(secrets.login('w', 'x', 'C'), { message: /of w is missing: .* variable C/, exitCode: 2 })
})
