import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { parsePasswordHash } from '../../src/config/password-hash.ts'
import { verifyPassword } from '../../src/guard/password.ts'
import { basic } from '../helpers/clients.ts'
import { eventually } from '../helpers/eventually.ts'
import { makeAuthority, needsOpenssl } from '../helpers/openssl.ts'
import { needs } from '../helpers/peer.ts'
import { compileCache } from '../helpers/program.ts'
import { startServed } from '../helpers/served.ts'

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const flags = ['--disable-warning=DEP0060', main]

function make(words: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, 'client', ...words], {
    encoding: 'utf8',
    input,
    env: { ...compileCache, PATH: process.env.PATH },
  })
  return { status, stdout, stderr }
}

function isHash(entry: string, name: string, password: string): Promise<boolean> {
  const hash = parsePasswordHash(JSON.parse(entry)[name].PasswordHash)
  return hash ? verifyPassword(password, hash) : Promise.resolve(false)
}

const searching = ['--allow', 'google=QIDO-RS']

t.test('a password from standard input', async (t) => {
  for (const input of ['correct horse battery\n', 'correct horse battery', 'correct horse battery\r\n']) {
    const { status, stdout, stderr } = make(['radiology'], input)
    t.equal(status, 0)
    t.ok(await isHash(stdout, 'radiology', 'correct horse battery'))
    t.notOk(await isHash(stdout, 'radiology', 'correct horse batterY'))
    t.notMatch(stdout + stderr, /horse/)
  }
  t.ok(await isHash(make(['x'], 'Zoë’s: password\n').stdout, 'x', 'Zoë’s: password'))
})

t.test('what is no good is refused, and nothing is made', async (t) => {
  const refused: [words: string[], input: string, message: RegExp][] = [
    [['x'], '', /12 characters/],
    [['x'], 'elevenchars\n', /12 characters/],
    [['x'], 'correct horse battery\nand another line\n', /more than one line/],
    [['x'], 'correct horse\x01battery', /control characters/],
    [['a:b'], 'correct horse battery', /must have a name/],
    [[''], 'correct horse battery', /must have a name/],
    [['x', '--allow', 'google'], 'correct horse battery', /ACCOUNT=SERVICES/],
    [['x', '--allow', 'google=STOW'], 'correct horse battery', /did you mean "STOW-RS"/],
    [['x', '--generate', '--token'], '', /Take one of/],
    [['x', '--certificate', 'missing.pem'], '', /missing\.pem does not exist/],
    [['x', '--certificate', main], '', /no certificate in PEM form/],
    [['x', 'a password as argument'], '', /too many arguments/],
  ]
  for (const [words, input, message] of refused) {
    const { status, stdout, stderr } = make(words, input)
    t.equal(status, 2, words.join(' '))
    t.equal(stdout, '')
    t.match(stderr, message)
  }
})

t.test('what is made lets the client in', async (t) => {
  const password = make(['radiology', '--generate', ...searching])
  const token = make(['viewer', '--token', ...searching])
  const secrets = [password, token].map(({ stderr }) => /shown this once: (\S{32,})\n/.exec(stderr)?.[1] ?? '')
  t.not(secrets[0], /shown this once: (\S+)/.exec(make(['radiology', '--generate']).stderr)?.[1], 'another each time')
  for (const [at, { stdout }] of [password, token].entries()) t.notMatch(stdout, secrets[at] ?? 'none')
  const Clients = { ...JSON.parse(password.stdout), ...JSON.parse(token.stdout) }
  const { url } = await startServed(t, { proxy: { Clients } })
  const logins = [basic('radiology', secrets[0] ?? ''), { authorization: `Bearer ${secrets[1]}` }]
  for (const headers of logins) t.equal((await fetch(`${url}studies`, { headers })).status, 200)
  t.equal((await fetch(`${url}studies`, { headers: basic('viewer', secrets[1] ?? '') })).status, 401)
})

t.test('a certificate’s subject, as openssl writes it', needsOpenssl(), async (t) => {
  const subject = '/DC=example/O=Hospital, Inc./CN=Röntgen \\+ "x"'
  const { certificate } = makeAuthority(t).issue({ usage: 'clientAuth', subject })
  const { stdout } = make(['pathology', '--certificate', certificate])
  t.equal(JSON.parse(stdout).pathology.CertificateSubject, 'CN=Röntgen \\+ \\"x\\",O=Hospital\\, Inc.,DC=example')
  const { stdout: said } = spawnSync(
    'openssl',
    ['x509', '-in', certificate, '-noout', '-subject', '-nameopt', 'RFC2253,-esc_msb,utf8'],
    { encoding: 'utf8' },
  )
  t.equal(said.trim(), `subject=${JSON.parse(stdout).pathology.CertificateSubject}`)
})

const hasScript = spawnSync('script', ['--version']).status === 0

/** The command on a terminal of its own. */
function atTerminal(t: Test) {
  const folder = t.testdir({})
  const starter = join(folder, 'client.sh')
  writeFileSync(starter, `exec "${process.execPath}" ${flags.map((word) => `"${word}"`).join(' ')} client tty\n`)
  const child = spawn('script', ['-qec', `sh ${starter}`, '/dev/null'], {
    env: { ...compileCache, PATH: process.env.PATH },
  })
  t.teardown(() => child.kill('SIGKILL'))
  let shown = ''
  child.stdout.on('data', (chunk) => {
    shown += chunk
  })
  const enter = async (prompt: string, text: string) => {
    await eventually(`it asks "${prompt}"`, () => shown.endsWith(prompt))
    child.stdin.write(text)
  }
  const ended = async () => {
    const [code] = await once(child, 'close')
    return { code, shown }
  }
  return { enter, ended }
}

t.test('asked for on a terminal, without echo', needs('script (util-linux)', hasScript), async (t) => {
  await t.test('twice the same', async (t) => {
    const { enter, ended } = atTerminal(t)
    await enter('Password: ', 'correct horse batterX\x7fy\r')
    await enter('Again: ', 'correct horse battery\r')
    const { code, shown } = await ended()
    t.equal(code, 0)
    t.notMatch(shown, /horse|batter/)
    t.ok(await isHash(/\{.*?\n\}/s.exec(shown.replaceAll('\r', ''))?.[0] ?? '', 'tty', 'correct horse battery'))
  })
  await t.test('two different ones', async (t) => {
    const { enter, ended } = atTerminal(t)
    await enter('Password: ', 'correct horse battery\r')
    await enter('Again: ', 'correct horse battxry\r')
    t.match(await ended(), { code: 2, shown: /The two are not the same/ })
  })
  await t.test('Ctrl+C', async (t) => {
    const { enter, ended } = atTerminal(t)
    await enter('Password: ', 'correct\x03')
    t.match(await ended(), { code: 130, shown: /Interrupted: nothing was made/ })
  })
})
